/**
 * Canned responses: `/` at the beginning of a reply lists them, and what is typed on narrows the list.
 * @module
 */

import { announce, h } from "./dom.js";
import { explain } from "./person.js";

const NONE_YET = "There are no canned responses yet. The API makes them: POST /api/v1/chat/canned-responses.";
const SHORTCUT = /^\/([a-z0-9_-]*)$/i;

/** The list above a composer. Focus stays in the text area; the chosen option is its active descendant. */
export class CannedList {
  #list;
  #input;
  #find;
  #pick;
  #found = [];
  #chosen = 0;
  /** Answers to older questions come too late. */
  #asked = 0;

  /**
   * @param {HTMLElement} list
   * @param {HTMLTextAreaElement} input
   * @param {{find: (prefix: string) => Promise<{shortcut: string, title: string, text: string}[]>,
   *   pick: (text: string) => void}} does
   */
  constructor(list, input, { find, pick }) {
    this.#list = list;
    this.#input = input;
    this.#find = find;
    this.#pick = pick;
    input.addEventListener("input", () => this.#look());
    input.addEventListener("blur", () => this.close());
  }

  /** Closes the list. */
  close() {
    this.#asked += 1;
    this.#list.hidden = true;
    this.#input.removeAttribute("aria-activedescendant");
  }

  /**
   * Uses a key of the text area while the list is open.
   * @param {KeyboardEvent} event
   * @returns {boolean} it was used
   */
  takesKey(event) {
    if (this.#list.hidden || this.#found.length === 0) return false;
    switch (event.key) {
      case "ArrowDown":
        this.#choose(this.#chosen + 1);
        break;
      case "ArrowUp":
        this.#choose(this.#chosen - 1);
        break;
      case "Enter":
      case "Tab":
        this.#take(this.#chosen);
        break;
      case "Escape":
        this.close();
        break;
      default:
        return false;
    }
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  async #look() {
    const typed = SHORTCUT.exec(this.#input.value);
    this.#asked += 1;
    if (!typed) {
      this.close();
      return;
    }
    const asked = this.#asked;
    let found = [];
    let hint = typed[1] === "" ? NONE_YET : "No canned response begins so.";
    try {
      found = await this.#find(typed[1].toLowerCase());
    } catch (failure) {
      hint = explain(failure);
    }
    if (asked === this.#asked) this.#show(found, hint);
  }

  #show(found, hint) {
    this.#found = found;
    const options = found.map((canned, index) => {
      // The text area would lose the focus to a click, and with it the list.
      const keepFocus = (event) => event.preventDefault();
      const take = () => this.#take(index);
      const id = `${this.#list.id}-${index}`;
      return h("li", { role: "option", id, onmousedown: keepFocus, onclick: take },
        h("b", {}, `/${canned.shortcut}`), h("span", {}, canned.title), h("small", {}, canned.text));
    });
    this.#list.replaceChildren(...(options.length > 0 ? options : [h("li", { class: "hint" }, hint)]));
    this.#list.hidden = false;
    if (options.length > 0) this.#choose(0);
    announce(options.length > 0 ? `${options.length} canned responses` : hint);
  }

  #choose(index) {
    this.#chosen = (index + this.#found.length) % this.#found.length;
    [...this.#list.children].forEach((option, place) => {
      option.setAttribute("aria-selected", String(place === this.#chosen));
    });
    const option = this.#list.children[this.#chosen];
    option.scrollIntoView({ block: "nearest" });
    this.#input.setAttribute("aria-activedescendant", option.id);
  }

  #take(index) {
    const { text } = this.#found[index];
    this.close();
    this.#pick(text);
  }
}
