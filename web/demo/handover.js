/**
 * Hands a conversation over: to a colleague, to another team, or back to the queue.
 * @module
 */

import { h, partsOf, setText } from "./dom.js";
import { explain } from "./person.js";

/** The dialog of one desk. It closes when somebody has it. */
export class Handover {
  #dialog;
  #parts;
  #agent;
  #colleagues;
  /** The conversation that is handed over. */
  #id = "";

  /**
   * @param {HTMLDialogElement} dialog
   * @param {import("./agent.js").Agent} agent
   * @param {import("./agent.js").Agent[]} colleagues the other desks of this page
   */
  constructor(dialog, agent, colleagues) {
    this.#dialog = dialog;
    this.#parts = partsOf(dialog);
    this.#agent = agent;
    this.#colleagues = colleagues;
    this.#parts.cancel.addEventListener("click", () => dialog.close());
  }

  /**
   * Asks who gets it; Escape is nobody.
   * @param {any} head
   * @param {string} who its visitor
   */
  async open(head, who) {
    this.#id = head.id;
    setText(this.#parts.title, `Pass ${who} on`);
    this.#parts.word.value = "";
    this.#fail("");
    this.#draw(await this.#targets(head));
    this.#dialog.showModal();
  }

  /** Who there is; a server that does not tell leaves those of this page. */
  async #targets(head) {
    try {
      const { agents, teams } = await this.#agent.colleagues();
      const others = agents.filter(({ agent_id }) => agent_id !== this.#agent.id);
      return { agents: others, teams: teams.filter(({ id }) => id !== head.team_id) };
    } catch (failure) {
      if (failure.code !== "NOT_FOUND") console.warn("the colleagues could not be read:", failure.message);
      const agents = this.#colleagues.map(({ id, name, status, isStarted, capacity, mine }) => (
        { agent_id: id, name, status, present: isStarted, load: mine.length, capacity }));
      return { agents, teams: [] };
    }
  }

  #draw({ agents, teams }) {
    const toTeam = ({ id, name, online, waiting }) => target(name, `${online} online, ${waiting} waiting`,
      () => this.#agent.transfer(this.#id, { team_id: id }, this.#word));
    const rows = [
      ...agents.map((colleague) => this.#toAgent(colleague)),
      ...teams.map(toTeam),
      target("Back to the queue", "Anybody free", () => this.#agent.release(this.#id)),
    ];
    this.#parts.targets.replaceChildren(...rows.map(({ name, hint, status, act, isOff }, place) => {
      const mark = status ? h("span", { class: `dot ${status}` }) : "↩";
      const take = () => this.#hand(act);
      return h("li", {}, h("button", { type: "button", disabled: Boolean(isOff), autofocus: place === 0, onclick: take },
        h("span", { "aria-hidden": "true" }, mark), h("b", {}, name), h("span", {}, hint)));
    }));
  }

  #toAgent({ agent_id: id, name, status, present, load, capacity }) {
    const here = this.#colleagues.find((colleague) => colleague.id === id);
    const act = async () => {
      // Only an agent who is there can be given something, so a colleague of this page comes to the desk first.
      await here?.start();
      await this.#agent.transfer(this.#id, { agent_id: id }, this.#word);
    };
    if (!present && here && !here.isStarted) return target(name, "Comes to the desk when asked", act, "offline");
    const isOff = !present || status === "offline" || load >= capacity;
    const hint = present ? `${status}, ${load} of ${capacity}` : "not there";
    return { ...target(name, hint, act, present ? status : "offline"), isOff };
  }

  get #word() {
    return this.#parts.word.value.trim();
  }

  async #hand(act) {
    this.#fail("");
    try {
      await act();
      this.#dialog.close();
    } catch (failure) {
      this.#fail(explain(failure));
    }
  }

  #fail(text) {
    setText(this.#parts.trouble, text);
    this.#parts.trouble.hidden = text === "";
  }
}

/** `status` is an agent's; a queue has none. */
function target(name, hint, act, status = "") {
  return { name, hint, act, status };
}
