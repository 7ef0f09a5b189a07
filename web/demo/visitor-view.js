/**
 * The visitor's pane: the chat that stands open on the shop's page.
 * @module
 */

import { bindBanner } from "./banner.js";
import { Composer } from "./composer.js";
import { Confirm } from "./confirm.js";
import { announce, h, isSeen, oncePerFrame, partsOf, setText } from "./dom.js";
import { FocusKeeper } from "./focus.js";
import { explain } from "./person.js";
import { ThreadView } from "./thread-view.js";
import { placeInQueue } from "./words.js";

const NOBODY_IS_HERE = "Nobody is here right now.";
const SCORES = ["Bad", "Poor", "Fair", "Good", "Great"];

/** Draws a {@link import("./visitor.js").Visitor} and does what is clicked. */
export class VisitorView {
  #root;
  #visitor;
  #parts;
  #thread;
  #composer;
  #confirm;
  #focus;
  /** The thread whose draft is shown. */
  #draftOf = null;

  /**
   * @param {HTMLElement} root
   * @param {import("./visitor.js").Visitor} visitor
   */
  constructor(root, visitor) {
    this.#root = root;
    this.#visitor = visitor;
    this.#parts = partsOf(root);
    const parts = this.#parts;
    this.#thread = new ThreadView(parts, visitor, (text) => this.#fail(text));
    this.#composer = new Composer(parts, {
      send: (text, files) => {
        visitor.thread.outbox.add(text, false, files);
        this.#fail("");
      },
      tell: (typing, preview) => this.#tell(typing, preview),
      keep: (text) => { visitor.draft = text; },
      fail: (text) => this.#fail(text),
      bytesMax: () => visitor.uploadBytesMax,
    });
    this.#confirm = new Confirm(parts.confirm, parts);
    this.#focus = new FocusKeeper(root, () => [parts.input, parts.log]);
    bindBanner(parts, visitor.connection);
    parts.end.addEventListener("click", () => this.#end());
    parts.anew.addEventListener("click", () => {
      visitor.startAnew();
      this.draw();
      parts.input.focus();
    });
    parts.scores.append(...SCORES.map((name, index) => {
      const rate = () => this.#try(() => visitor.rate(index + 1));
      const label = `${index + 1} of 5: ${name}`;
      return h("button", { type: "button", "aria-label": label, title: name, onclick: rate }, "★");
    }));

    const draw = oncePerFrame(() => this.draw());
    visitor.addEventListener("change", draw);
    visitor.addEventListener("incoming", ({ detail: { event } }) => {
      announce(`In the shop's chat, ${event.by.name ?? "support"} says: ${event.text || "a file"}`);
    });
  }

  /** Draws everything anew. What is seen is read. */
  draw() {
    const visitor = this.#visitor;
    const { thread, isReady } = visitor;
    const parts = this.#parts;
    const head = thread.conversation;
    const isEmpty = thread.events.length === 0 && thread.outbox.items.length === 0;
    setText(parts.title, head?.assignee?.name ?? "Leaf & Kettle");
    setText(parts.subtitle, subtitle(visitor));
    this.#drawPlace(visitor.place);
    setText(document.getElementById("visitor-sees"), `What ${head?.visitor.name ?? "your customer"} sees`);
    parts.greeting.hidden = !isEmpty;
    parts.absent.hidden = visitor.isStaffed !== false && visitor.isAccepting;
    setText(parts.absent, visitor.isAccepting ? NOBODY_IS_HERE : "We cannot take new conversations right now.");
    parts.end.hidden = head === null || thread.isEnded;
    parts.composer.hidden = thread.isEnded;
    parts.input.disabled = parts.attach.disabled = !isReady;
    this.#showDraft();
    parts.ended.hidden = !thread.isEnded;
    this.#drawScore(head?.rating?.score ?? 0);
    this.#thread.draw(thread);
    if (head !== null && isSeen(this.#root)) visitor.read(thread);
    this.#focus.check();
  }

  #showDraft() {
    const { thread, draft } = this.#visitor;
    if (thread === this.#draftOf) return;
    this.#draftOf = thread;
    this.#composer.swap(thread, draft);
  }

  async #end() {
    const isMeant = await this.#confirm.ask("End this conversation? You can start a new one at any time.");
    if (isMeant) await this.#try(() => this.#visitor.end());
  }

  #drawPlace(place) {
    this.#parts.place.hidden = place === null;
    if (place === null) return;
    // A place in a queue that nobody works off would promise something.
    const isStaffed = this.#visitor.isStaffed !== false;
    setText(this.#parts.placeNumber, place.position && isStaffed ? String(place.position) : "…");
    setText(this.#parts.placeText, isStaffed ? placeInQueue(place) : NOBODY_IS_HERE);
    setText(this.#parts.placeHint, isStaffed ? "Write on: it will all be read." : "Your messages are kept, and read when somebody comes.");
  }

  #drawScore(score) {
    setText(this.#parts.ask, score ? "Thank you for your rating." : "How was it?");
    [...this.#parts.scores.children].forEach((star, index) => {
      star.classList.toggle("given", index < score);
      star.setAttribute("aria-pressed", String(index + 1 === score));
    });
  }

  #tell(typing, preview) {
    const { thread, connection } = this.#visitor;
    if (thread.id === null || thread.isEnded) return;
    connection.cast({ type: "typing", conversation_id: thread.id, typing, ...(typing && { preview }) });
  }

  async #try(act) {
    try {
      await act();
      this.#fail("");
    } catch (failure) {
      this.#fail(explain(failure));
    }
  }

  #fail(text) {
    setText(this.#parts.notice, text);
    this.#parts.notice.hidden = text === "";
  }
}

function subtitle({ thread, isStaffed }) {
  switch (thread.conversation?.state) {
    case undefined:
    case "queued":
      if (isStaffed === false) return "Nobody is here right now";
      if (isStaffed === null) return "";
      return thread.conversation ? "Soon with you" : "We answer within minutes";
    case "assigned":
      return "Support, here for you";
    case "bot":
      return "A bot answers first";
    default:
      return "The conversation has ended";
  }
}
