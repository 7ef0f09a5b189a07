/**
 * The files that go with the next message: chosen, pasted or dropped, shown until it is sent.
 * @module
 */

import { announce, h } from "./dom.js";
import { kindOf, sizeOf } from "./file-view.js";

/** The contract's bound for one message. */
const FILES_MAX = 10;

/** The files of a composer, apart for each conversation. */
export class Attachments {
  #parts;
  #bytesMax;
  #fail;
  /** @type {Map<unknown, File[]>} by what they were chosen for */
  #chosen = new Map();
  #for = null;

  /**
   * @param {Record<string, HTMLElement>} parts `composer`, `input`, `attach` (button), `file` (the hidden file input),
   *   `files` (the list)
   * @param {() => number} bytesMax how large a file may be
   * @param {(text: string) => void} fail tells the person what does not go; nothing: it goes
   */
  constructor(parts, bytesMax, fail) {
    this.#parts = parts;
    this.#bytesMax = bytesMax;
    this.#fail = fail;
    parts.attach.addEventListener("click", () => parts.file.click());
    parts.file.addEventListener("change", () => {
      this.#add([...parts.file.files]);
      // The same file may be chosen again.
      parts.file.value = "";
    });
    parts.input.addEventListener("paste", (event) => {
      // Text that is copied from an office program comes with its picture.
      if (event.clipboardData.types.includes("text/plain")) return;
      this.#takeFrom(event, event.clipboardData);
    });
    // Beside the composer, too: a browser would leave the page for a file that nobody takes.
    const area = parts.composer.parentElement;
    area.addEventListener("dragover", (event) => {
      if (event.dataTransfer.types.includes("Files")) event.preventDefault();
    });
    area.addEventListener("drop", (event) => this.#takeFrom(event, event.dataTransfer));
  }

  /** Shows the files that were chosen for this. */
  showFor(what) {
    if (this.#for === what) return;
    this.#for = what;
    this.#draw();
  }

  get isEmpty() {
    return !this.#chosen.has(this.#for);
  }

  /** @returns {File[]} them, which are no longer here */
  take() {
    const files = this.#chosen.get(this.#for) ?? [];
    this.#keep([]);
    return files;
  }

  #takeFrom(event, { files }) {
    if (files.length === 0) return;
    event.preventDefault();
    const { attach, composer } = this.#parts;
    if (!attach.disabled && !composer.hidden) this.#add([...files]);
  }

  #add(files) {
    const all = [...(this.#chosen.get(this.#for) ?? []), ...files];
    const bytesMax = this.#bytesMax();
    const empty = all.find((file) => file.size === 0);
    const large = all.find((file) => file.size > bytesMax);
    if (empty) {
      this.#fail(`“${empty.name}” is empty, or a folder.`);
    } else if (large) {
      this.#fail(`“${large.name}” is too large: a file may have at most ${sizeOf(bytesMax)}.`);
    } else if (all.length > FILES_MAX) {
      this.#fail(`One message takes at most ${FILES_MAX} files.`);
    } else {
      this.#fail("");
      this.#keep(all);
      announce(all.length === 1 ? "One file chosen" : `${all.length} files chosen`);
    }
    this.#parts.input.focus();
  }

  #keep(files) {
    if (files.length === 0) this.#chosen.delete(this.#for);
    else this.#chosen.set(this.#for, files);
    this.#draw();
  }

  #draw() {
    const files = this.#chosen.get(this.#for) ?? [];
    this.#parts.files.hidden = files.length === 0;
    this.#parts.files.replaceChildren(...files.map((file) => {
      const remove = () => {
        this.#keep(files.filter((other) => other !== file));
        this.#parts.input.focus();
      };
      return h("li", {},
        h("bdi", {}, file.name), h("small", {}, `${kindOf(file.type)}, ${sizeOf(file.size)}`),
        h("button", { type: "button", class: "plain", "aria-label": `Do not send ${file.name}`, onclick: remove }, "×"));
    }));
  }
}
