/**
 * Why this agent: what the router looked at when it gave a conversation to somebody, in words.
 * @module
 */

import { h, setText } from "./dom.js";
import { explain } from "./person.js";
import { clock } from "./words.js";

/** So many decisions are told, the newest first. */
const TOLD_MAX = 4;

/** The panel below the head of the open conversation. It is read when it opens, and again when its log goes on. */
export class WhyView {
  #parts;
  #agent;
  #names;
  #isOpen = false;
  /** Of what the panel tells, or is about to. */
  #told = "";

  /**
   * @param {Record<string, HTMLElement>} parts `why` (button), `reasons` (panel)
   * @param {import("./agent.js").Agent} agent
   * @param {Map<string, string>} names of agents, by id
   */
  constructor(parts, agent, names) {
    this.#parts = parts;
    this.#agent = agent;
    this.#names = names;
    parts.reasons.id = `reasons-${agent.id}`;
    parts.why.setAttribute("aria-controls", parts.reasons.id);
    parts.why.addEventListener("click", () => {
      this.#isOpen = !this.#isOpen;
      this.#told = "";
      agent.changed();
    });
  }

  /** @param {any} head of the conversation that is shown */
  draw(head) {
    const { why, reasons } = this.#parts;
    setText(why, head.state === "assigned" ? `Why ${this.#agent.holds(head) ? "me" : head.assignee.name}?` : "Why?");
    why.setAttribute("aria-expanded", String(this.#isOpen));
    reasons.hidden = !this.#isOpen;
    // Offers are not in the log, but are as much news.
    const offers = [head.offered_to, this.#agent.offerOf(head.id)?.until];
    const version = [head.id, head.state, head.assignment_epoch, ...offers].join();
    if (this.#isOpen && version !== this.#told) this.#read(head.id, version);
  }

  async #read(id, version) {
    if (!this.#told.startsWith(id)) this.#parts.reasons.replaceChildren();
    this.#told = version;
    let told;
    try {
      const entries = await this.#agent.routing(id);
      told = entries.slice(-TOLD_MAX).reverse().map((entry) => this.#entry(entry));
      if (told.length === 0) told = [h("p", {}, "Nobody has had it yet.")];
    } catch (failure) {
      const isMissing = failure.code === "NOT_FOUND" || failure.code === "METHOD_NOT_ALLOWED";
      told = [h("p", {}, isMissing ? "This server does not explain its choices." : explain(failure))];
    }
    // Another conversation may be on the desk by now.
    if (this.#told === version) this.#parts.reasons.replaceChildren(...told);
  }

  #entry({ at, agent_id, reason, rule, candidates }) {
    const who = agent_id ? this.#name(agent_id) : null;
    return h("section", {},
      h("p", {}, h("b", {}, outcome(who, reason)), ` ${RULES[rule] ?? rule}`, h("time", { datetime: at }, clock(at))),
      h("ul", {}, ...candidates.map((candidate) => this.#candidate(candidate, agent_id))));
  }

  #candidate({ agent_id, load, capacity, excluded_by }, chosen) {
    const verdict = excluded_by ? EXCLUSIONS[excluded_by] ?? excluded_by : agent_id === chosen ? "chosen" : "could be";
    // The router knows no capacity of an agent who has not been there for long.
    const room = capacity ? `${load} of ${capacity}` : "";
    return h("li", { class: excluded_by ? "out" : agent_id === chosen ? "chosen" : "" },
      h("span", {}, this.#name(agent_id)), h("span", {}, room), h("span", {}, verdict));
  }

  #name(id) {
    return this.#names.get(id) ?? `Agent ${id.slice(-4)}`;
  }
}

function outcome(who, reason) {
  switch (reason) {
    case "offered":
      return `Offered to ${who}.`;
    case "waiting":
      return "Waits.";
    case "accept":
      return `${who} accepted.`;
    case "take_over":
      return `${who} took it over.`;
    case "transfer":
      return `Passed on to ${who}.`;
    case "reopen":
      return `${who} opened it again.`;
    default:
      return `Given to ${who}.`;
  }
}

const RULES = {
  last_agent: "The visitor's last agent comes first.",
  least_busy: "The least busy comes first.",
  round_robin: "Each in turn.",
  again: "There is nobody else: asked again.",
  by_hand: "A person decided, not the router.",
  manual: "The team takes from its queue by hand.",
  nobody: "There is nobody to offer it to.",
};

const EXCLUSIONS = {
  not_online: "not online",
  not_present: "not there",
  full: "has no room",
  skills: "other skills",
  language: "another language",
  passed_over: "let it pass",
  released: "gave it back",
  transferred_away: "passed it on",
};
