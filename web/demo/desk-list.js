/**
 * The desk's lists: which visitors wait, and which ones the agent answers.
 * @module
 */

import { h, setText, showRows } from "./dom.js";
import { secondsLeft } from "./offers-view.js";
import { visitorName, waited } from "./words.js";

/** Both lists of one agent. */
export class DeskList {
  #parts;
  #agent;
  #does;

  /**
   * @param {Record<string, HTMLElement>} parts `queue`, `mine` (lists) with their `Count`s and `Empty` hints, and
   *   `longest`, the longest wait
   * @param {import("./agent.js").Agent} agent
   * @param {{show: (id: string) => void, accept: (id: string) => void}} does
   */
  constructor(parts, agent, does) {
    this.#parts = parts;
    this.#agent = agent;
    this.#does = does;
  }

  /** Draws both anew; the waiting times go on with every call. */
  draw() {
    const { queue, mine } = this.#agent;
    setText(this.#parts.longest, queue.length > 0 ? `longest ${waited(queue[0].queued_at, true)}` : "");
    this.#drawOne("queue", queue);
    this.#drawOne("mine", mine);
  }

  #drawOne(name, heads) {
    setText(this.#parts[`${name}Count`], String(heads.length));
    this.#parts[`${name}Empty`].hidden = heads.length > 0;
    showRows(this.#parts[name], heads.map((head) => ({
      key: head.id,
      build: () => this.#build(head),
      update: (row) => this.#update(row, this.#agent.head(head.id)),
    })));
  }

  #build({ id, state }) {
    const open = h("button", { type: "button", class: "row", onclick: () => this.#does.show(id) },
      h("span", { class: "name" }), h("span", { class: "since" }),
      h("span", { class: "last" }), h("span", { class: "unread" }));
    const item = h("li", {}, open);
    if (state === "queued") {
      const accept = () => this.#does.accept(id);
      item.append(h("button", { type: "button", class: "accept", onclick: accept }, "Accept"),
        h("p", { class: "offered" }));
    }
    return item;
  }

  #update(item, head) {
    const [open, accept, offered] = item.children;
    const [name, since, last, unread] = open.children;
    const thread = this.#agent.threads.get(head.id);
    const count = this.#agent.unreadOf(head);
    const who = visitorName(head.visitor);
    setText(name, who);
    if (accept) this.#updateQueued(accept, offered, head, who);
    setText(since, sinceOf(head, thread));
    since.title = head.state === "queued" ? "Waits since" : "Last said";
    setText(last, lastOf(thread));
    last.classList.toggle("typing", Boolean(thread?.typing));
    setText(unread, String(count));
    unread.setAttribute("aria-label", `${count} unread`);
    unread.hidden = count === 0;
    open.setAttribute("aria-current", String(head.id === this.#agent.openId));
  }

  #updateQueued(accept, offered, head, who) {
    const offer = this.#agent.offerOf(head.id);
    accept.setAttribute("aria-label", `Accept ${who}`);
    const isOthers = head.offered_to && head.offered_to !== this.#agent.id;
    setText(offered, offer ? `offered to you, ${secondsLeft(offer)} s` : isOthers ? "offered to a colleague" : "");
    offered.hidden = offered.textContent === "";
  }
}

/** While somebody waits for an answer, how long already; else nothing presses. */
function sinceOf(head, thread) {
  if (head.state === "queued") return waited(head.queued_at);
  const said = thread?.lastMessage;
  return said?.by.kind === "visitor" ? waited(said.at) : "";
}

function lastOf(thread) {
  if (thread?.typing) return thread.typing.preview || "is typing…";
  const said = thread?.lastMessage;
  if (!said) return "";
  const text = said.text || "A file";
  return said.by.kind === "visitor" ? text : `↩ ${text}`;
}
