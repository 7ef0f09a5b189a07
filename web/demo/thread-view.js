/**
 * A thread's log: bubbles, lines, the typing preview, and what is not sent yet.
 * @module
 */

import { h, setText, showRows } from "./dom.js";
import { fileNode } from "./file-view.js";
import { linked } from "./links.js";
import { explain } from "./person.js";
import { clock, lineOf } from "./words.js";

/** Messages of one author closer than this stand together, under one time. */
const GROUP_WITHIN_MS = 120_000;
/** So near to its end the log follows what comes. */
const NEAR_END_PX = 60;

/** The log of whichever thread is shown. */
export class ThreadView {
  #parts;
  #person;
  #fail;
  /** @type {import("./thread.js").Thread | null} */
  #thread = null;
  #lastRow = null;
  /** The person reads the end, and means to stay there. */
  #isAtEnd = true;
  /** @type {WeakMap<Element, string>} what stands in each bubble */
  #shown = new WeakMap();

  /**
   * @param {Record<string, HTMLElement>} parts `log` (scrolls), `events` (the list), `earlier`, `latest` (buttons)
   * @param {import("./person.js").Person} person
   * @param {(text: string) => void} fail tells the person what did not work
   */
  constructor(parts, person, fail) {
    this.#parts = parts;
    this.#person = person;
    this.#fail = fail;
    parts.earlier.addEventListener("click", () => this.#loadEarlier());
    parts.latest.addEventListener("click", () => this.#toEnd());
    parts.log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // What stands below the log comes, grows and goes; a picture has its height only once it is loaded.
    const sizes = new ResizeObserver(() => this.#isAtEnd && this.#toEnd());
    sizes.observe(parts.log);
    sizes.observe(parts.events);
  }

  /**
   * Draws the thread as it is now.
   * @param {import("./thread.js").Thread} thread
   */
  draw(thread) {
    const rows = this.#rowsOf(thread);
    const lastRow = rows.at(-1)?.key ?? null;
    const isOther = thread !== this.#thread;
    const hasNew = lastRow !== this.#lastRow;
    // One's own words are always brought into view.
    const follows = isOther || this.#isAtEnd || (hasNew && String(lastRow).startsWith("own"));
    this.#thread = thread;
    this.#lastRow = lastRow;
    this.#parts.earlier.hidden = !thread.hasEarlier;
    // Each conversation counts its events from 1, so rows of one thread must never pass for another's.
    showRows(this.#parts.events, rows, thread);
    if (follows) this.#toEnd();
    else if (hasNew) this.#parts.latest.hidden = false;
  }

  #scrolled() {
    const { log, latest } = this.#parts;
    this.#isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END_PX;
    if (this.#isAtEnd) latest.hidden = true;
  }

  #toEnd() {
    const { log, latest } = this.#parts;
    log.scrollTop = log.scrollHeight;
    this.#isAtEnd = true;
    latest.hidden = true;
  }

  async #loadEarlier() {
    const { log } = this.#parts;
    const thread = this.#thread;
    const fromEnd = log.scrollHeight - log.scrollTop;
    try {
      await this.#person.earlier(thread);
    } catch (failure) {
      this.#fail(explain(failure));
      return;
    }
    // Another thread may be shown by now.
    if (thread !== this.#thread) return;
    this.draw(thread);
    log.scrollTop = log.scrollHeight - fromEnd;
  }

  #rowsOf(thread) {
    const said = this.#said(thread);
    const rows = said.map((one, index) => (one.line ? this.#lineRow(one) : this.#bubbleRow(one, said, index, thread)));
    if (thread.typing) rows.push(typingRow(thread.typing));
    return rows;
  }

  /** What the log and the outbox say, in one form. */
  #said(thread) {
    const said = [];
    for (const event of thread.events) {
      if (event.kind === "message" || event.kind === "note") {
        said.push({
          // A message keeps its key, and so its element, when it leaves the outbox.
          key: this.#isOwn(event) && event.client_id ? ownKey(event.client_id) : eventKey(thread, event),
          seq: event.seq, at: event.at, by: event.by ?? { kind: "system" }, note: event.kind === "note",
          text: event.redacted ? "This message was removed." : event.text ?? "", files: event.files ?? [],
        });
      } else {
        const line = lineOf(event, this.#person);
        if (line !== null) said.push({ key: eventKey(thread, event), at: event.at, line });
      }
    }
    for (const item of thread.outbox.items) {
      const by = { kind: this.#person.side, id: this.#person.id };
      const { client_id: clientId, at, note, text, files } = item;
      said.push({ key: ownKey(clientId), at, by, note, text, files, item });
    }
    return said;
  }

  #isOwn({ by }) {
    return this.#person.side === "visitor" ? by?.kind === "visitor" : by?.kind === "agent" && by.id === this.#person.id;
  }

  #lineRow({ key, line }) {
    return { key, build: () => h("li", { class: "line" }, line) };
  }

  #bubbleRow(one, said, index, thread) {
    const startsGroup = !isSameGroup(said[index - 1], one);
    const endsGroup = !isSameGroup(one, said[index + 1]);
    const isOurs = (one.by.kind === "visitor") === (this.#person.side === "visitor");
    const author = startsGroup && !this.#isOwn(one) ? one.by.name : null;
    return {
      key: one.key,
      build: () => this.#buildBubble(one, isOurs, thread),
      update: (element) => {
        const [who, text, meta] = element.children;
        this.#updateText(text, one);
        setText(who, one.note ? `Private note${author ? ` · ${author}` : ""}` : author ?? "");
        who.hidden = who.textContent === "";
        element.classList.toggle("grouped", !startsGroup);
        element.classList.toggle("unsent", one.item?.state === "failed");
        this.#updateMeta(meta, one, thread, endsGroup || Boolean(one.item));
      },
    };
  }

  #buildBubble(one, isOurs, thread) {
    const side = one.note ? "note" : isOurs ? "ours" : "theirs";
    const clientId = one.item?.client_id;
    const retry = () => this.#person.retry(thread, clientId);
    const drop = () => thread.outbox.settle(clientId);
    return h("li", { class: `bubble ${side}` },
      h("span", { class: "who" }),
      h("div", { class: "text" }),
      h("div", { class: "meta" }, h("time", { datetime: one.at }, clock(one.at)), h("span"),
        h("button", { type: "button", class: "plain", onclick: retry }, "Retry"),
        h("button", { type: "button", class: "plain", onclick: drop }, "Remove")));
  }

  /** Its words and files. A file that has come, or whose link was renewed, is shown anew. */
  #updateText(element, { text, files }) {
    const version = JSON.stringify([text, files.map(({ file_id: id, url }) => [id, url])]);
    if (this.#shown.get(element) === version) return;
    this.#shown.set(element, version);
    element.replaceChildren(...linked(text), ...files.map(fileNode));
  }

  #updateMeta(meta, one, thread, isShown) {
    const [time, state, retry, drop] = meta.children;
    const isFailed = one.item?.state === "failed";
    meta.hidden = !isShown;
    time.hidden = isFailed;
    retry.hidden = !isFailed || !thread.outbox.canRetry(one.item);
    // What may have arrived cannot be taken back.
    drop.hidden = !isFailed || one.item.unknown;
    setText(state, this.#stateOf(one, thread));
  }

  /** How far one's own message has come. */
  #stateOf(one, thread) {
    if (one.item?.state === "failed") {
      return one.item.unknown || !one.item.reason ? "Not sent" : `Not sent: ${one.item.reason}`;
    }
    if (one.item && one.item.state !== "sent") return sending(one.item);
    if (one.note || !this.#isOwn(one)) return "";
    const other = this.#person.side === "visitor" ? "agent" : "visitor";
    return one.seq <= (thread.conversation?.read[other] ?? 0) ? "Seen" : "Sent";
  }
}

/** Of an event that is somebody else's, or no message. */
function eventKey(thread, { seq }) {
  return `${thread.id} ${seq}`;
}

/** Of one's own message, which has a name before the log gives it a place. */
function ownKey(clientId) {
  return `own ${clientId}`;
}

function sending({ progress }) {
  return progress === undefined ? "Sending…" : `Sending… ${Math.round(progress * 100)} %`;
}

function isSameGroup(one, next) {
  return one && next && !one.line && !next.line && one.by.kind === next.by.kind && one.by.id === next.by.id
    && one.note === next.note && Date.parse(next.at) - Date.parse(one.at) < GROUP_WITHIN_MS;
}

function typingRow(typing) {
  return {
    key: "typing",
    build: () => h("li", { class: "bubble theirs typing" },
      h("span", { class: "who" }), h("div", { class: "text" }),
      h("div", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i"))),
    update: (element) => {
      const [who, preview] = element.children;
      setText(who, `${typing.by.name ?? "The visitor"} is typing`);
      setText(preview, typing.preview ?? "");
      preview.hidden = !typing.preview;
    },
  };
}
