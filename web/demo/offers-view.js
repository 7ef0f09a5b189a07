/**
 * What an agent is offered: which visitor, how long the offer stands, and the two answers to it.
 * @module
 */

import { h, setText, showRows } from "./dom.js";
import { visitorName, waited } from "./words.js";

/** The others stand in the queue, marked, and can be accepted there. */
const SHOWN_MAX = 2;

/** The strip above the lists and the conversation, so that an offer is seen whatever the agent does. */
export class OffersView {
  #parts;
  #agent;
  #does;

  /**
   * @param {Record<string, HTMLElement>} parts `offers` (hidden when there is none), `offerList`, `moreOffers`
   * @param {import("./agent.js").Agent} agent
   * @param {{accept: (id: string) => void, decline: (id: string) => void}} does
   */
  constructor(parts, agent, does) {
    this.#parts = parts;
    this.#agent = agent;
    this.#does = does;
  }

  /** Draws them anew; the countdown goes on with every call. */
  draw() {
    const offers = this.#agent.offers.filter(({ id }) => this.#agent.head(id));
    const more = offers.length - SHOWN_MAX;
    this.#parts.offers.hidden = offers.length === 0;
    showRows(this.#parts.offerList, offers.slice(0, SHOWN_MAX).map((offer) => ({
      // The same conversation, offered again, is another offer.
      key: `${offer.id} ${offer.until}`,
      build: () => this.#build(offer),
      update: (row) => this.#update(row, offer),
    })));
    setText(this.#parts.moreOffers, more > 0 ? `and ${more} more, marked in the queue` : "");
    this.#parts.moreOffers.hidden = more <= 0;
  }

  #build({ id }) {
    return h("li", { class: "offer" },
      h("p", { class: "what" }, h("span", { class: "tag" }, "Offered to you"), h("b"), h("span", { class: "last" })),
      h("span", { class: "left" }),
      h("button", { type: "button", onclick: () => this.#does.decline(id) }, "Decline"),
      h("button", { type: "button", class: "main", onclick: () => this.#does.accept(id) }, "Accept"),
      h("progress", { "aria-label": "How long the offer stands" }));
  }

  #update(row, { id, from, until }) {
    const head = this.#agent.head(id);
    const [what, left, decline, accept, progress] = row.children;
    // Visitors may say their name late.
    const who = visitorName(head.visitor);
    setText(what.children[1], who);
    decline.setAttribute("aria-label", `Decline ${who}`);
    accept.setAttribute("aria-label", `Accept ${who}`);
    const said = this.#agent.threads.get(id)?.lastMessage?.text;
    setText(what.lastElementChild, said || `waits since ${waited(head.queued_at ?? head.created_at)}`);
    setText(left, `${secondsLeft({ until })} s`);
    progress.max = Math.max(1, until - from);
    progress.value = Math.max(0, until - Date.now());
  }
}

/** Of an offer, never below 0. */
export function secondsLeft({ until }) {
  return Math.max(0, Math.ceil((until - Date.now()) / 1000));
}
