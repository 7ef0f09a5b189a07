/**
 * An agent: the status, the offers, the queue and the agent's own conversations, and what is done with them. All of
 * it is pushed: the welcome says how things are, and the watched queue and the agent's own frames say what changes.
 * @module
 */

import { readDemo, readSite } from "./credentials.js";
import { forget, keep, recall } from "./kept.js";
import { newClientId } from "./outbox.js";
import { Person } from "./person.js";

/** So many of those who wait are followed live; of the others the list says enough. */
const QUEUE_FOLLOWED_MAX = 20;
/** What could not be read, while the connection is there, is asked for again after so long. */
const READ_AGAIN_AFTER_MS = 2_000;
/** Changes of the lists come in bursts; who is followed is looked at after each. */
const FOLLOW_AFTER_MS = 150;

/**
 * @typedef {{agent_id: string, name: string, status: string, present: boolean, load: number, capacity: number}}
 *   Colleague
 */

/** One who answers. Fires also `offered` with each conversation that is offered. */
export class Agent extends Person {
  /** @type {"online" | "away" | "offline"} */
  status = "offline";
  /** The agent is away because offers were missed. */
  missedOffers = false;
  capacity = 0;
  /** @type {{id: string, from: number, until: number}[]} what may be accepted (ms), the first to expire first */
  offers = [];
  /** @type {string | null} the conversation on the desk */
  openId = null;
  isStarted = false;

  /** @type {Map<string, any>} heads of those that wait or are the agent's own */
  #heads = new Map();
  #started;
  #follow = 0;
  /** The status that the agent asked for. */
  #wanted = "";

  /**
   * @param {import("./credentials.js").DemoAgent} who
   * @param {import("./credentials.js").AgentCredentials} credentials
   */
  constructor(who, credentials) {
    super("agent", who.agent_id, credentials);
    this.id = who.agent_id;
    this.name = who.name;
    this.openId = recall(this.#openKey);
  }

  /**
   * Comes to the desk; the first time in this window, goes online.
   * @returns {Promise<void>} when the server has said welcome
   */
  start() {
    this.#started ??= new Promise((resolve) => {
      this.isStarted = true;
      this.addEventListener("ready", () => resolve(), { once: true });
      this.connection.start();
    });
    return this.#started;
  }

  /** @protected */
  async welcomed({ status, capacity, held, offers }) {
    this.status = this.#wanted = status;
    this.capacity = capacity;
    this.#heads.clear();
    this.offers = [];
    for (const head of held) this.#learn(head);
    for (const { conversation, expires_at } of offers) this.#offered(conversation, expires_at);
    this.changed();
    this.connection.request({ type: "watch", view: "queue" }).catch((failure) => {
      console.warn("the queue cannot be seen:", failure.message);
    });
    const seenBefore = `agent.${this.id}.was-online`;
    try {
      if (status === "offline" && recall(seenBefore) === null) await this.setStatus("online");
      keep(seenBefore, "yes");
    } catch (failure) {
      console.warn("the status could not be set:", failure.message);
    }
    this.dispatchEvent(new Event("ready"));
    this.#followSoon();
    try {
      const { site_key: siteKey } = await readDemo();
      this.uploadBytesMax = (await readSite(siteKey)).limits.upload_bytes_max;
    } catch (failure) {
      console.warn("the site's limits could not be read:", failure.message);
    }
  }

  /** @returns {any} the conversation's head, as new as it is known */
  head(id) {
    // A thread is live, a list may be a second old: where both know a conversation, the thread has the last word.
    return this.threads.get(id)?.conversation ?? this.#heads.get(id);
  }

  get #known() {
    return [...this.#heads.keys()].map((id) => this.head(id));
  }

  /** Conversations that nobody has, in the server's order. */
  get queue() {
    const waiting = this.#known.filter((head) => head.state === "queued");
    return waiting.sort((a, b) => Date.parse(a.queued_at) - Date.parse(b.queued_at));
  }

  /** The agent's own, those with the newest events first. */
  get mine() {
    const own = this.#known.filter((head) => this.holds(head));
    return own.sort((a, b) => Date.parse(b.last_event_at) - Date.parse(a.last_event_at));
  }

  /** It is this agent's to answer. */
  holds(head) {
    return head.state === "assigned" && head.assignee?.agent_id === this.id;
  }

  /** The offer of this conversation to this agent, if there is one. */
  offerOf(id) {
    return this.offers.find((offer) => offer.id === id);
  }

  /** The visitors' messages that the agent has not seen, in all own conversations. */
  get unread() {
    return this.mine.reduce((sum, head) => sum + this.unreadOf(head), 0);
  }

  unreadOf(head) {
    return this.threads.get(head.id)?.unread ?? head.unread;
  }

  #learn(head) {
    if (head.state === "queued" || this.holds(head)) this.#heads.set(head.id, head);
    else this.#heads.delete(head.id);
    this.threads.get(head.id)?.merge(head);
  }

  #offered(head, expiresAt) {
    this.#learn(head);
    // It comes again when what it shows has changed, such as the visitor's name.
    const from = this.offerOf(head.id)?.from ?? Date.now();
    this.#offerEnded(head.id);
    this.offers.push({ id: head.id, from, until: Date.parse(expiresAt) });
    this.offers.sort((a, b) => a.until - b.until);
  }

  #offerEnded(id) {
    this.offers = this.offers.filter((offer) => offer.id !== id);
  }

  #followSoon(afterMs = FOLLOW_AFTER_MS) {
    clearTimeout(this.#follow);
    this.#follow = setTimeout(() => this.#followWanted(), afterMs);
  }

  /** Opens what is listed or on the desk, and leaves the rest. */
  #followWanted() {
    const wanted = new Set([...this.mine, ...this.queue.slice(0, QUEUE_FOLLOWED_MAX)].map((head) => head.id));
    if (this.openId) wanted.add(this.openId);
    for (const id of wanted) {
      this.open(id).catch((failure) => {
        if (failure.code === "NOT_FOUND") return this.loseSight(id);
        console.warn("a conversation could not be read:", failure.message);
        // If the connection is lost, too, the next welcome tries again.
        if (this.connection.isOpen) this.#followSoon(READ_AGAIN_AFTER_MS);
      });
    }
    for (const id of this.threads.keys()) {
      if (!wanted.has(id)) this.leave(id);
    }
  }

  /** @override */
  loseSight(id) {
    this.#heads.delete(id);
    this.#offerEnded(id);
    if (this.openId === id) {
      this.openId = null;
      forget(this.#openKey);
    }
    super.loseSight(id);
  }

  /** @override */
  hear(frame) {
    super.hear(frame);
    const { conversation, conversation_id: id } = frame;
    switch (frame.type) {
      case "conversation":
        this.#learn(conversation);
        break;
      case "conversation_removed":
        if (!this.holds(this.head(id) ?? {})) this.#heads.delete(id);
        break;
      case "assigned":
        this.#took(conversation);
        break;
      case "unassigned":
        // The queue may have shown it already.
        if (this.#heads.get(id)?.state !== "queued") this.#heads.delete(id);
        break;
      case "offer":
        this.#offered(conversation, frame.expires_at);
        this.dispatchEvent(new CustomEvent("offered", { detail: conversation }));
        break;
      case "offer_ended":
        this.#offerEnded(id);
        break;
      case "status":
        this.#statusTold(frame.status);
        break;
      default:
        return;
    }
    this.changed();
    this.#followSoon();
  }

  #statusTold(status) {
    // Nobody asked for it: it is the server's doing.
    if (status !== this.status) this.missedOffers = status === "away" && this.#wanted === "online";
    this.status = this.#wanted = status;
  }

  #took(conversation) {
    this.#offerEnded(conversation.id);
    // An agent who sees it no longer is told only where it went.
    if (!conversation.visitor) return this.loseSight(conversation.id);
    this.#learn(conversation);
    this.changed();
    this.#followSoon();
  }

  /**
   * Puts a conversation on the desk.
   * @throws {import("./api.js").ApiFailure}
   */
  async show(id) {
    this.openId = id;
    if (id === null) forget(this.#openKey);
    else keep(this.#openKey, id);
    this.changed();
    if (id !== null) await this.open(id);
  }

  /** Where it is kept what is on the desk: a reload leaves it there. */
  get #openKey() {
    return `agent.${this.id}.open`;
  }

  /**
   * @param {"online" | "away" | "offline"} status
   * @throws {import("./api.js").ApiFailure}
   */
  async setStatus(status) {
    this.#wanted = status;
    const answer = await this.api("PUT", "/chat/agent/status", { status });
    this.status = answer.status;
    this.missedOffers = false;
    this.changed();
  }

  /** @throws {import("./api.js").ApiFailure} */
  async accept(id) {
    // An agent on the way to the desk is not online yet, and would be refused.
    await this.#started;
    await this.#verb(`/chat/agent/conversations/${id}/accept`, {});
  }

  /** @throws {import("./api.js").ApiFailure} */
  async decline(id) {
    // At once, not after the answer: if there is nobody else, it is offered again by then.
    this.#offerEnded(id);
    await this.connection.request({ type: "decline", conversation_id: id });
  }

  /**
   * @param {{agent_id: string} | {team_id: string}} to
   * @param {string} note for the next agent; may be empty
   * @throws {import("./api.js").ApiFailure}
   */
  async transfer(id, to, note) {
    await this.#verb(`/chat/agent/conversations/${id}/transfer`, { to, ...(note && { note }) });
  }

  /** @throws {import("./api.js").ApiFailure} */
  async release(id) {
    await this.#verb(`/chat/agent/conversations/${id}/release`, {});
  }

  /** @throws {import("./api.js").ApiFailure} */
  async end(id) {
    await this.#verb(`/chat/conversations/${id}/end`, {});
  }

  async #verb(path, body) {
    const { conversation } = await this.api("POST", path, { client_id: newClientId(), ...body });
    this.#took(conversation);
  }

  /**
   * All agents and teams of the workspace, this agent included.
   * @returns {Promise<{agents: Colleague[], teams: {id: string, name: string, online: number, waiting: number}[]}>}
   * @throws {import("./api.js").ApiFailure}
   */
  async colleagues() {
    return this.api("GET", "/chat/agent/colleagues");
  }

  /**
   * Why a conversation went where it did, oldest first.
   * @returns {Promise<any[]>}
   * @throws {import("./api.js").ApiFailure}
   */
  async routing(id) {
    return (await this.api("GET", `/chat/agent/conversations/${id}/routing`)).data;
  }

  /**
   * Canned responses for this conversation whose shortcut begins so, or whose title or text has it.
   * @returns {Promise<{id: string, shortcut: string, title: string, text: string}[]>}
   * @throws {import("./api.js").ApiFailure}
   */
  async canned(conversationId, prefix) {
    const query = new URLSearchParams({ conversation_id: conversationId, limit: "6" });
    if (prefix) query.set("q", prefix);
    return (await this.api("GET", `/chat/canned-responses?${query}`)).data;
  }
}
