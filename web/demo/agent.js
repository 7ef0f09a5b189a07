/**
 * An agent: his status, the queue and his own conversations, and what he does with them.
 * @module
 */

import { newClientId } from "./outbox.js";
import { Person } from "./person.js";

const POLL_EVERY_MS = 2_000;
/** So many of those who wait are followed live; of the others the list says enough. */
const QUEUE_FOLLOWED_MAX = 20;

/** One who answers. Fires also `waiting` with the conversation, when somebody new is in the queue. */
export class Agent extends Person {
  /** @type {any[]} conversations that nobody has, in the server's order */
  queue = [];
  /** @type {any[]} his own, those with the newest events first */
  mine = [];
  /** @type {"online" | "away" | "offline"} */
  status = "offline";
  capacity = 0;
  /** @type {string | null} the conversation on his desk */
  openId = null;
  isStarted = false;

  #started;
  #poll = 0;
  #isPolled = false;

  /**
   * @param {import("./credentials.js").DemoAgent} who
   * @param {import("./credentials.js").AgentCredentials} credentials
   */
  constructor(who, credentials) {
    super("agent", who.agent_id, credentials);
    this.id = who.agent_id;
    this.name = who.name;
    this.openId = sessionStorage.getItem(this.#openKey);
    document.addEventListener("visibilitychange", () => {
      if (this.isStarted && document.visibilityState === "visible") this.poll();
    });
  }

  /**
   * Comes to his desk; the first time in this window, he goes online.
   * @returns {Promise<void>} when the server has welcomed him
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
  async welcomed({ status, capacity }) {
    this.status = status;
    this.capacity = capacity;
    const seenBefore = `agent.${this.id}.was-online`;
    try {
      if (status === "offline" && sessionStorage.getItem(seenBefore) === null) await this.setStatus("online");
      sessionStorage.setItem(seenBefore, "yes");
    } catch (failure) {
      console.warn("the status could not be set:", failure.message);
    }
    this.dispatchEvent(new Event("ready"));
    await this.poll();
  }

  /** @returns {any} the conversation's head, as new as it is known */
  head(id) {
    return this.threads.get(id)?.conversation ?? this.#listed(id);
  }

  #listed(id) {
    return [...this.mine, ...this.queue].find((head) => head.id === id);
  }

  /** It is his to answer. */
  holds(head) {
    return head.state === "assigned" && head.assignee?.agent_id === this.id;
  }

  /** The other side's messages that he has not seen, in all his conversations. */
  get unread() {
    return this.mine.reduce((sum, head) => sum + this.unreadOf(head), 0);
  }

  unreadOf(head) {
    return this.threads.get(head.id)?.unread ?? head.unread;
  }

  /** Reads both lists now, and again every two seconds while somebody looks. */
  async poll() {
    clearTimeout(this.#poll);
    try {
      const lists = ["queue", "mine"].map((view) => this.api("GET", `/chat/agent/conversations?view=${view}`));
      const [queue, mine] = await Promise.all(lists);
      this.#listsRead(queue.data, mine.data);
    } catch (failure) {
      // The banner tells of a lost connection; the lists stay as they were.
      if (!failure.isUnknown) console.warn("the lists could not be read:", failure.message);
    }
    // Another poll may have begun meanwhile: one goes on.
    clearTimeout(this.#poll);
    if (document.visibilityState === "visible") this.#poll = setTimeout(() => this.poll(), POLL_EVERY_MS);
  }

  #listsRead(queue, mine) {
    const known = new Set(this.queue.map((head) => head.id));
    for (const head of [...queue, ...mine]) this.threads.get(head.id)?.merge(head);
    // A thread is live, a list may be a second old: where both know a conversation, the thread has the last word.
    const heads = new Map([...queue, ...mine].map((head) => [head.id, head]));
    for (const [id, thread] of this.threads) heads.set(id, thread.conversation);
    this.#place([...heads.values()]);
    for (const head of this.queue) {
      if (this.#isPolled && !known.has(head.id)) this.dispatchEvent(new CustomEvent("waiting", { detail: head }));
    }
    this.#isPolled = true;
    this.changed();
    this.#followWanted();
  }

  #place(heads) {
    this.queue = heads.filter((head) => head.state === "queued");
    this.mine = heads.filter((head) => this.holds(head));
    this.queue.sort((a, b) => Date.parse(a.queued_at) - Date.parse(b.queued_at));
    this.mine.sort((a, b) => Date.parse(b.last_event_at) - Date.parse(a.last_event_at));
  }

  /** Opens what is listed or on the desk, and leaves the rest. */
  #followWanted() {
    const wanted = new Set([...this.mine, ...this.queue.slice(0, QUEUE_FOLLOWED_MAX)].map((head) => head.id));
    if (this.openId) wanted.add(this.openId);
    for (const id of wanted) {
      this.open(id).catch((failure) => {
        if (failure.code === "NOT_FOUND") this.loseSight(id);
        else console.warn("a conversation could not be read:", failure.message);
      });
    }
    for (const id of this.threads.keys()) {
      if (!wanted.has(id)) this.leave(id);
    }
  }

  /** @override */
  changed() {
    const listed = [...this.queue, ...this.mine].map((head) => this.head(head.id));
    this.#place(listed);
    super.changed();
  }

  /** @override */
  loseSight(id) {
    this.queue = this.queue.filter((head) => head.id !== id);
    this.mine = this.mine.filter((head) => head.id !== id);
    if (this.openId === id) {
      this.openId = null;
      sessionStorage.removeItem(this.#openKey);
    }
    super.loseSight(id);
  }

  /** @override */
  hear(frame) {
    super.hear(frame);
    switch (frame.type) {
      case "assigned":
        this.#took(frame.conversation);
        break;
      case "status":
        this.status = frame.status;
        this.changed();
        break;
      case "unassigned":
      case "offer":
      case "offer_ended":
      case "queue_changed":
        this.poll();
        break;
    }
  }

  #took(conversation) {
    // Where he sees it no longer, he is told only where it went.
    if (!conversation.visitor) return this.loseSight(conversation.id);
    this.threads.get(conversation.id)?.merge(conversation);
    if (!this.#listed(conversation.id)) this.mine.unshift(conversation);
    this.changed();
    this.#followWanted();
  }

  /**
   * Puts a conversation on the desk.
   * @throws {import("./api.js").ApiFailure}
   */
  async show(id) {
    this.openId = id;
    if (id === null) sessionStorage.removeItem(this.#openKey);
    else sessionStorage.setItem(this.#openKey, id);
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
    const answer = await this.api("PUT", "/chat/agent/status", { status });
    this.status = answer.status;
    this.changed();
  }

  /** @throws {import("./api.js").ApiFailure} */
  async accept(id) {
    await this.#verb(`/chat/agent/conversations/${id}/accept`, {});
  }

  /**
   * @param {Agent} colleague
   * @throws {import("./api.js").ApiFailure}
   */
  async transfer(id, colleague) {
    // Only one who is there can be given something, so whoever plays with the demo brings him to his desk first.
    await colleague.start();
    await this.#verb(`/chat/agent/conversations/${id}/transfer`, { to: { agent_id: colleague.id } });
  }

  /** @throws {import("./api.js").ApiFailure} */
  async end(id) {
    await this.#verb(`/chat/conversations/${id}/end`, {});
  }

  async #verb(path, body) {
    try {
      const { conversation } = await this.api("POST", path, { client_id: newClientId(), ...body });
      this.#took(conversation);
    } finally {
      // Also after a refusal, whose reason is mostly that the lists are old.
      this.poll();
    }
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
