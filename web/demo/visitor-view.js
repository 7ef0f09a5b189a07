/**
 * The visitor's pane: the chat that stands open on the shop's page.
 * @module
 */

import { bindBanner } from "./banner.js";
import { Composer } from "./composer.js";
import { announce, h, isSeen, oncePerFrame, partsOf, setText } from "./dom.js";
import { explain } from "./person.js";
import { ThreadView } from "./thread-view.js";
import { placeInQueue } from "./words.js";

const SCORES = ["Bad", "Poor", "Fair", "Good", "Great"];

/** Draws a {@link import("./visitor.js").Visitor} and does what is clicked. */
export class VisitorView {
  #root;
  #visitor;
  #parts;
  #thread;

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
    new Composer(parts.composer, parts.input, {
      send: (text) => {
        visitor.thread.outbox.add(text, false);
        this.#fail("");
      },
      tell: (typing, preview) => this.#tell(typing, preview),
    });
    bindBanner(parts, visitor.connection);
    parts.end.addEventListener("click", () => this.#try(() => visitor.end()));
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
      announce(`In the shop's chat, ${event.by.name ?? "support"} says: ${event.text ?? "a file"}`);
    });
  }

  /** Draws everything anew. What is seen is read. */
  draw() {
    const { thread, isReady } = this.#visitor;
    const parts = this.#parts;
    const head = thread.conversation;
    const isEmpty = thread.events.length === 0 && thread.outbox.items.length === 0;
    setText(parts.title, head?.assignee?.name ?? "Leaf & Kettle");
    setText(parts.subtitle, subtitle(thread));
    this.#drawPlace(this.#visitor.place);
    setText(document.getElementById("visitor-sees"), `What ${head?.visitor.name ?? "your customer"} sees`);
    parts.greeting.hidden = !isEmpty;
    parts.end.hidden = head === null || thread.isEnded;
    parts.composer.hidden = thread.isEnded;
    parts.input.disabled = !isReady;
    parts.ended.hidden = !thread.isEnded;
    this.#drawScore(head?.rating?.score ?? 0);
    this.#thread.draw(thread);
    if (head !== null && isSeen(this.#root)) this.#visitor.read(thread);
  }

  #drawPlace(place) {
    this.#parts.place.hidden = place === null;
    if (place === null) return;
    setText(this.#parts.placeNumber, place.position ? String(place.position) : "…");
    setText(this.#parts.placeText, placeInQueue(place));
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

function subtitle({ conversation }) {
  switch (conversation?.state) {
    case undefined:
      return "We answer within minutes";
    case "queued":
      return "Soon with you";
    case "assigned":
      return "Support, here for you";
    case "bot":
      return "A bot answers first";
    default:
      return "The conversation has ended";
  }
}
