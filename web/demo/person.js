/**
 * What the visitor and the agents have in common: credentials, one socket, and threads that are kept complete.
 * @module
 */

import { ApiFailure, call, upload } from "./api.js";
import { Connection } from "./connection.js";
import { Drafts } from "./drafts.js";
import { Outbox } from "./outbox.js";
import { Thread } from "./thread.js";

/** The most that a page of events may have. */
const PAGE = 200;
/** A message whose fate is unknown, while the connection is there, is tried again after so long. */
const RETRY_AFTER_MS = 2_000;
/** The contract's links of files are good for an hour. */
const LINKS_RENEWED_EVERY_MS = 45 * 60_000;

/**
 * A person of the demo. Fires `change` when there is something to draw, and `incoming` with `{thread, event}` for
 * every message of the other side that arrives while the page is open.
 */
export class Person extends EventTarget {
  /** @type {"visitor" | "agent"} */
  side;
  /** Known once the server has said welcome. */
  id = "";
  /** @type {Map<string, Thread>} those that are followed, by conversation */
  threads = new Map();
  /** How large a file may be; until the site says so, as large as by default. */
  uploadBytesMax = 10_485_760;
  /** @type {Drafts} */
  drafts;

  #key;
  #credentials;
  /** @type {Map<string, Promise<Thread>>} */
  #opening = new Map();

  /**
   * @param {"visitor" | "agent"} side
   * @param {string} key under which the outboxes and drafts are kept
   * @param {import("./credentials.js").Credentials} credentials
   */
  constructor(side, key, credentials) {
    super();
    this.side = side;
    this.#key = key;
    this.#credentials = credentials;
    this.drafts = new Drafts(key);
    const positions = () => [...this.threads].map(([id, thread]) => ({ conversation_id: id, after: thread.lastSeq }));
    this.connection = new Connection(credentials, positions);
    this.connection.addEventListener("state", () => this.#connectionChanged());
    this.connection.addEventListener("welcome", ({ detail }) => this.#welcomed(detail));
    this.connection.addEventListener("frame", ({ detail }) => this.hear(detail));
    setInterval(() => this.#renewLinks(), LINKS_RENEWED_EVERY_MS);
  }

  /** Something is to be drawn anew. */
  changed() {
    this.dispatchEvent(new Event("change"));
  }

  /**
   * Calls the API as this person.
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>}
   * @throws {ApiFailure}
   */
  api(method, path, body) {
    // A server that is silent here is silent on the socket, too, and there the person is told.
    if (method !== "GET") this.connection.probe();
    return this.#authorized((token) => call(method, path, { token, body }));
  }

  async #authorized(act) {
    const token = await this.#credentials.token();
    try {
      return await act(token);
    } catch (failure) {
      if (failure.status !== 401) throw failure;
      // Revoked, or forgotten by a server that started afresh.
      this.#credentials.refuse(token);
      return act(await this.#credentials.token());
    }
  }

  /**
   * The thread of a conversation: its first page, then live.
   * @param {string} id
   * @returns {Promise<Thread>}
   * @throws {ApiFailure}
   */
  async open(id) {
    const known = this.threads.get(id) ?? this.#opening.get(id);
    if (known) return known;
    const opening = this.#open(id).finally(() => this.#opening.delete(id));
    this.#opening.set(id, opening);
    return opening;
  }

  async #open(id) {
    const { conversation, events } = await this.api("GET", `/chat/conversations/${id}`);
    const thread = this.newThread(id);
    thread.load(conversation, events);
    this.follow(thread);
    thread.outbox.retry((item) => item.unknown);
    return thread;
  }

  /** @param {string} id of its conversation, or what stands for it before it has one */
  newThread(id) {
    const thread = new Thread(this.side);
    thread.outbox = new Outbox(this.outboxKey(id), (item) => this.#deliver(thread, item), () => this.changed());
    return thread;
  }

  /** Where the outbox of a conversation is kept. */
  outboxKey(id) {
    return `outbox.${this.#key}.${id}`;
  }

  /** Keeps a thread up to date from its position on. */
  follow(thread) {
    this.threads.set(thread.id, thread);
    this.#subscribe(thread);
    this.changed();
  }

  #subscribe(thread) {
    // Not open: the next hello resumes it.
    if (!this.connection.isOpen) return;
    const { id, lastSeq } = thread;
    this.connection.request({ type: "subscribe", conversation_id: id, after: lastSeq }).catch((failure) => {
      if (failure.code === "NOT_FOUND") this.loseSight(id);
      else if (!failure.isUnknown) console.error("not subscribed:", failure.message);
    });
  }

  /** Follows it no longer. */
  leave(id) {
    this.threads.delete(id);
    this.connection.cast({ type: "unsubscribe", conversation_id: id });
  }

  /** This person may not see the conversation any more. */
  loseSight(id) {
    this.threads.delete(id);
    this.changed();
  }

  /**
   * Sends a message; settles when it is durable.
   * @param {Thread} thread
   * @param {import("./outbox.js").Item} item
   * @throws {ApiFailure}
   */
  async deliver(thread, item) {
    const { client_id: clientId, text, note } = item;
    await this.#upload(thread, item);
    const fileIds = item.files.map((file) => file.file_id);
    const { seq } = await this.connection.request({
      type: "send", conversation_id: thread.id, client_id: clientId, ...(text.trim() && { text }),
      ...(fileIds.length > 0 && { file_ids: fileIds }), ...(note && { note }),
    });
    // A repeat of what the log has had for long brings no event.
    if (seq <= thread.lastSeq) thread.outbox.settle(clientId);
  }

  async #deliver(thread, item) {
    try {
      await this.deliver(thread, item);
    } catch (failure) {
      const again = () => thread.outbox.retry((other) => other === item && other.unknown);
      // Without a connection the next welcome sends it again.
      if (failure.isUnknown && this.connection.isOpen) setTimeout(again, RETRY_AFTER_MS);
      throw failure;
    }
  }

  /** Uploads those files of a message that are not yet; a repeat goes on after the last one that was. */
  async #upload(thread, item) {
    for (const [place, file] of item.files.entries()) {
      if (file.file_id) continue;
      const blob = thread.outbox.blob(item, place);
      const onProgress = (progress) => {
        item.progress = (place + progress) / item.files.length;
        this.changed();
      };
      const { file_id, name, mime, size } = await this.#authorized((token) => upload(thread.id, blob, token, onProgress))
        .catch((failure) => { throw failure.isUnknown ? brokenUpload() : failure; });
      item.files[place] = { file_id, name, mime, size };
    }
    item.progress = undefined;
  }

  /** Sends again what was not sent; without a connection it tries to get one first. */
  retry(thread, clientId) {
    if (this.connection.isOpen) thread.outbox.retry((item) => item.client_id === clientId);
    else this.connection.hurry();
  }

  /** Tells the other side that everything here has been seen. */
  read(thread) {
    const last = thread.events.findLast((event) => thread.isIncoming(event));
    if (!this.connection.isOpen || !last || last.seq <= thread.conversation.read[this.side]) return;
    this.connection.cast({ type: "read", conversation_id: thread.id, seq: last.seq });
    thread.markRead(this.side, last.seq);
    this.changed();
  }

  /**
   * Loads the page before the first event here.
   * @throws {ApiFailure}
   */
  async earlier(thread) {
    const before = thread.events[0].seq;
    const { data } = await this.api("GET", `/chat/conversations/${thread.id}/events?before=${before}`);
    thread.prepend(data);
    this.changed();
  }

  /**
   * Hears a frame. What is not known is ignored, as the contract asks of clients.
   * @protected
   */
  hear(frame) {
    const thread = this.threads.get(frame.conversation_id);
    if (!thread) return;
    switch (frame.type) {
      case "event":
        this.#take(thread, frame.event);
        break;
      case "gap":
        this.#fill(thread);
        break;
      case "typing":
        // One's own, from another window, is no news.
        if ((frame.by.kind === "visitor") === (this.side === "visitor")) return;
        thread.typing = frame.typing ? { by: frame.by, preview: frame.preview } : null;
        break;
      case "read":
        thread.markRead(frame.by.kind, frame.seq);
        break;
      case "unsubscribed":
        this.loseSight(frame.conversation_id);
        break;
      case "error":
        if (frame.error.code === "NOT_FOUND") this.loseSight(frame.conversation_id);
        break;
    }
    this.changed();
  }

  #take(thread, event) {
    const taken = thread.apply(event);
    if (taken === "gap") this.#fill(thread);
    if (taken === "new" && thread.isIncoming(event)) {
      this.dispatchEvent(new CustomEvent("incoming", { detail: { thread, event } }));
    }
  }

  /** Pages what is missing. Live events that come meanwhile are durable, so the last page has them. */
  async #fill(thread) {
    if (thread.filling) return;
    thread.filling = true;
    try {
      for (let more = true; more;) {
        const path = `/chat/conversations/${thread.id}/events?after=${thread.lastSeq}&limit=${PAGE}`;
        const page = await this.api("GET", path);
        for (const event of page.data) this.#take(thread, event);
        more = page.data.length > 0;
      }
    } catch (failure) {
      // The next resume, or the next live event, finds the gap again.
      console.warn("events are missing for now:", failure.message);
    } finally {
      thread.filling = false;
      this.changed();
    }
  }

  /** Has the links of all files signed anew: a desk is open for longer than they are good. */
  async #renewLinks() {
    for (const thread of this.threads.values()) {
      const seqs = thread.events.filter((event) => event.files?.length > 0).map((event) => event.seq);
      try {
        for (let after = seqs[0] - 1; after < seqs.at(-1);) {
          const path = `/chat/conversations/${thread.id}/events?after=${after}&limit=${PAGE}`;
          const { data } = await this.api("GET", path);
          thread.renewLinks(data);
          after = data.at(-1)?.seq ?? Infinity;
        }
      } catch (failure) {
        console.warn("links of files could not be renewed:", failure.message);
      }
    }
    this.changed();
  }

  #connectionChanged() {
    if (!this.connection.isOpen) {
      for (const thread of this.threads.values()) thread.typing = null;
    }
    this.changed();
  }

  #welcomed({ welcome, resumed }) {
    this.id = welcome.principal.id;
    for (const [id, thread] of this.threads) {
      // Opened after the hello was written.
      if (!resumed.has(id)) this.#subscribe(thread);
      // Refused messages stay with their reason; only those whose fate is unknown are sent again unasked.
      thread.outbox.retry((item) => item.unknown);
    }
    this.welcomed(welcome);
  }
}

/** Nothing was said by it yet, and to send a large file again and again unasked would help nobody. */
function brokenUpload() {
  return new ApiFailure(0, "UPLOAD_BROKE", "the file could not be sent");
}

/**
 * Why something did not work, for a person.
 * @param {unknown} failure
 */
export function explain(failure) {
  if (!(failure instanceof ApiFailure)) throw failure;
  return EXPLANATIONS[failure.code] ?? `That did not work: ${failure.message}.`;
}

const EXPLANATIONS = {
  NO_ANSWER: "The server does not answer. Try again in a moment.",
  UNAVAILABLE: "The server is busy. Try again in a moment.",
  ALREADY_ASSIGNED: "A colleague was quicker: the conversation is taken.",
  STALE_ASSIGNMENT: "The conversation is no longer with you.",
  CAPACITY_EXCEEDED: "No more room: every place for a conversation is taken.",
  AGENT_OFFLINE: "An agent who is offline or not there cannot take conversations.",
  CONVERSATION_ENDED: "The conversation has ended.",
  RATE_LIMITED: "That was too quick. Wait a moment.",
};
