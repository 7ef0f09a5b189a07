/**
 * The visitor: at most one conversation in view, which the first message starts.
 * @module
 */

import { readDemo, readSite } from "./credentials.js";
import { newClientId } from "./outbox.js";
import { Person } from "./person.js";

/** Under which the outbox of a conversation is kept that is not started yet. */
const NOT_STARTED = "new";
/** What could not be read, while the connection is there, is asked for again after so long. */
const READ_AGAIN_AFTER_MS = 2_000;
/** While nobody is there somebody may come any moment; one who is there mostly stays. */
const SITE_ASKED_EVERY_MS = { absent: 4_000, present: 5_000 };
/** A page that was just opened may have come a moment before its agent; it asks with every look. */
const IS_NEW_FOR_MS = 15_000;

/** The person who asks. */
export class Visitor extends Person {
  /** @type {import("./thread.js").Thread} */
  thread;
  /** The last conversation, if any, was looked for. */
  isReady = false;
  /** Somebody of the site's team is there; until the site has said so nothing is promised, and nothing denied. */
  isStaffed = null;
  /** The site takes new conversations now. */
  isAccepting = true;

  /** @type {string | null} */
  #siteKey = null;
  #siteAskedAt = 0;
  #again = 0;
  /** What was told last of the place in the queue; it may come before the answer that names the conversation. */
  #place = {};

  /** @param {import("./credentials.js").VisitorCredentials} credentials */
  constructor(credentials) {
    super("visitor", "visitor", credentials);
    this.thread = this.newThread(NOT_STARTED);
    setInterval(() => this.#lookAtSite(), 1_000);
  }

  /** Asks the site whether somebody is there, while the visitor waits for somebody and looks. */
  #lookAtSite() {
    const isWaiting = !this.thread.id || this.thread.conversation.state === "queued";
    if (!isWaiting || !this.connection.isOpen || document.visibilityState !== "visible") return;
    const isNew = performance.now() < IS_NEW_FOR_MS;
    const whileAbsentMs = isNew ? 0 : SITE_ASKED_EVERY_MS.absent;
    const everyMs = this.isStaffed ? SITE_ASKED_EVERY_MS.present : whileAbsentMs;
    if (Date.now() - this.#siteAskedAt >= everyMs) this.#askSite();
  }

  async #askSite() {
    this.#siteAskedAt = Date.now();
    try {
      this.#siteKey ??= (await readDemo()).site_key;
      const { online, accepting, limits } = await readSite(this.#siteKey);
      this.isStaffed = online;
      this.isAccepting = accepting;
      this.uploadBytesMax = limits.upload_bytes_max;
      this.changed();
    } catch (failure) {
      // A server that started afresh has another key.
      this.#siteKey = null;
      console.warn("the site could not be asked who is there:", failure.message);
    }
  }

  /** Under which what belongs to the thread is kept. */
  get #threadKey() {
    return this.thread.id ?? NOT_STARTED;
  }

  /** What was written here and not sent. */
  get draft() {
    return this.drafts.get(this.#threadKey).reply;
  }

  set draft(text) {
    this.drafts.set(this.#threadKey, { reply: text });
  }

  /** @protected */
  async welcomed() {
    this.#askSite();
    try {
      if (!this.isReady) await this.#restore();
      else if (this.thread.id) await this.#refresh();
      this.isReady = true;
    } catch (failure) {
      console.warn("the conversation could not be read:", failure.message);
      // If the connection is lost, too, the next welcome tries again.
      clearTimeout(this.#again);
      this.#again = setTimeout(() => this.connection.isOpen && this.welcomed(), READ_AGAIN_AFTER_MS);
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
    // What was refused, or still being written, when the conversation ended is still to be said.
    const unsaid = this.thread.outbox.items.filter((item) => item.state === "failed" && !item.unknown);
    const draft = [...unsaid.map((item) => item.text), this.draft].filter((text) => text !== "").join("\n");
    this.leave(this.thread.id);
    this.draft = "";
    this.thread.outbox.clear();
    this.thread = this.newThread(NOT_STARTED);
    this.draft = draft;
    this.changed();
  }

  /** @override */
  async deliver(thread, item) {
    if (thread.id) return super.deliver(thread, item);
    // A file needs a conversation to be uploaded to, so the message comes after it.
    const hasFiles = item.files.length > 0;
    const body = hasFiles ? { client_id: `${item.client_id}.start` } : { client_id: item.client_id, text: item.text };
    const { conversation } = await this.api("POST", "/chat/conversations", body);
    thread.outbox.rename(this.outboxKey(conversation.id));
    this.drafts.rename(NOT_STARTED, conversation.id);
    thread.load(conversation, []);
    // From the first event on: the answer tells of the message, but not of what happened since.
    this.follow(thread);
    if (hasFiles) await super.deliver(thread, item);
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
    if (frame.type === "queue") {
      // The queue moves because somebody came or went.
      if (Date.now() - this.#siteAskedAt > SITE_ASKED_EVERY_MS.absent) this.#askSite();
      this.changed();
    }
  }

  /** The place in the queue, as `{position, expected_wait_s}`; `null` without one. */
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
