/**
 * The visitor: at most one conversation in view, which his first message starts.
 * @module
 */

import { newClientId } from "./outbox.js";
import { Person } from "./person.js";

/** Under which the outbox of a conversation is kept that is not started yet. */
const NOT_STARTED = "new";

/** The person who asks. */
export class Visitor extends Person {
  /** @type {import("./thread.js").Thread} */
  thread;
  /** His last conversation, if any, was looked for. */
  isReady = false;

  /** What was told last of where he waits; it may come before the answer that names his conversation. */
  #place = {};

  /** @param {import("./credentials.js").VisitorCredentials} credentials */
  constructor(credentials) {
    super("visitor", "visitor", credentials);
    this.thread = this.newThread(NOT_STARTED);
  }

  /** @protected */
  async welcomed() {
    try {
      if (!this.isReady) await this.#restore();
      else if (this.thread.id) await this.#refresh();
      this.isReady = true;
    } catch (failure) {
      // The connection is lost again; the next welcome tries again.
      console.warn("the conversation could not be read:", failure.message);
    }
    if (!this.thread.id) this.thread.outbox.retry((item) => item.unknown);
    this.changed();
  }

  /** Goes on where the page was before it was reloaded. */
  async #restore() {
    // A first message whose fate is unknown: to send it again finds the conversation, or starts it.
    if (this.thread.outbox.items.length > 0) return;
    const { data } = await this.api("GET", "/chat/conversations?limit=1");
    if (data.length > 0) this.thread = await this.open(data[0].id);
  }

  /** Read marks are beside the log: what moved while the connection was lost is in the head only. */
  async #refresh() {
    const { conversation } = await this.api("GET", `/chat/conversations/${this.thread.id}`);
    this.thread.merge(conversation);
  }

  /** Shows an empty conversation; the next message starts it. */
  startAnew() {
    this.leave(this.thread.id);
    this.thread.outbox.clear();
    this.thread = this.newThread(NOT_STARTED);
    this.changed();
  }

  /** @override */
  async deliver(thread, item) {
    if (thread.id) return super.deliver(thread, item);
    const body = { client_id: item.client_id, text: item.text };
    const { conversation } = await this.api("POST", "/chat/conversations", body);
    thread.outbox.rename(this.outboxKey(conversation.id));
    thread.load(conversation, []);
    // From the first event on: the answer tells of the message, but not of what happened since.
    this.follow(thread);
  }

  /** @override */
  loseSight(id) {
    super.loseSight(id);
    if (this.thread.id === id) this.thread = this.newThread(NOT_STARTED);
  }

  /** @override */
  hear(frame) {
    if (frame.type === "queue") this.#place = frame;
    super.hear(frame);
    if (frame.type === "queue") this.changed();
  }

  /** Where he waits, as `{position, expected_wait_s}`; `null` when he does not. */
  get place() {
    const { id, conversation } = this.thread;
    if (conversation?.state !== "queued") return null;
    if (this.#place.conversation_id === id) return this.#place;
    return { position: conversation.queue_position, expected_wait_s: conversation.expected_wait_s };
  }

  /** @throws {import("./api.js").ApiFailure} */
  async end() {
    await this.#verb("end", {});
  }

  /**
   * @param {number} score 1 to 5
   * @throws {import("./api.js").ApiFailure}
   */
  async rate(score) {
    await this.#verb("rating", { score });
  }

  async #verb(name, body) {
    const { thread } = this;
    const path = `/chat/conversations/${thread.id}/${name}`;
    const { conversation } = await this.api("POST", path, { client_id: newClientId(), ...body });
    thread.merge(conversation);
    this.changed();
  }
}
