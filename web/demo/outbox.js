/**
 * What a person wrote and the server has not yet confirmed. One message is on its way at a time, so the order stays;
 * each keeps its `client_id` through every attempt, so that none is said twice.
 * @module
 */

import { forget, keep, recall } from "./kept.js";

/**
 * @typedef {{name: string, mime: string, size: number, file_id?: string}} SentFile with an id once it is uploaded
 * @typedef {{client_id: string, text: string, note: boolean, at: string, files: SentFile[],
 *   state: "queued" | "sending" | "sent" | "failed", reason: string, unknown: boolean}} Item
 */

const FILES_LOST = "the page was reloaded before the file was sent, so choose it again";

/** The outbox of one thread. */
export class Outbox {
  /** @type {Item[]} oldest first. A `sent` one only waits to be seen in the log. */
  items = [];

  #key;
  #deliver;
  #changed;
  #busy = false;
  /** @type {Map<string, File[]>} the files of what is here, by `client_id`; a reload forgets them */
  #blobs = new Map();

  /**
   * @param {string} key where it is kept through a reload
   * @param {(item: Item) => Promise<void>} deliver settles when the message is durable; rejects with an ApiFailure
   * @param {() => void} changed
   */
  constructor(key, deliver, changed) {
    this.#key = key;
    this.#deliver = deliver;
    this.#changed = changed;
    this.items = JSON.parse(recall(key) ?? "[]").map(afterReload);
  }

  /**
   * @param {string} text
   * @param {boolean} note
   * @param {File[]} blobs
   */
  add(text, note, blobs = []) {
    const at = new Date().toISOString();
    const client_id = newClientId();
    const files = blobs.map(({ name, type, size }) => ({ name, mime: type, size }));
    if (blobs.length > 0) this.#blobs.set(client_id, blobs);
    this.items.push({ client_id, text, note, at, files, state: "queued", reason: "", unknown: false });
    this.#pump();
  }

  /** @returns {File | undefined} the bytes of a file that is not uploaded yet */
  blob(item, place) {
    return this.#blobs.get(item.client_id)?.[place];
  }

  /**
   * Sends again what was not sent.
   * @param {(item: Item) => boolean} which
   */
  retry(which = () => true) {
    for (const item of this.items) {
      if (item.state === "failed" && which(item)) item.state = "queued";
    }
    this.#pump();
  }

  /** It can be tried again: its files are uploaded, or here. */
  canRetry(item) {
    return isWhole(item) || this.#blobs.has(item.client_id);
  }

  /**
   * The log has it, or nobody wants it sent any more.
   * @param {string} clientId
   */
  settle(clientId) {
    const items = this.items.filter((item) => item.client_id !== clientId);
    if (items.length === this.items.length) return;
    this.items = items;
    this.#blobs.delete(clientId);
    this.#keep();
    this.#changed();
  }

  /** Keeps it under another key from now on. */
  rename(key) {
    forget(this.#key);
    this.#key = key;
    this.#keep();
  }

  /** Forgets all of it. */
  clear() {
    this.items = [];
    this.#blobs.clear();
    this.#keep();
  }

  async #pump() {
    this.#keep();
    // Also what has to wait is shown at once.
    this.#changed();
    if (this.#busy) return;
    this.#busy = true;
    for (let item = this.#next(); item; item = this.#next()) {
      item.state = "sending";
      this.#changed();
      try {
        await this.#deliver(item);
        item.state = "sent";
      } catch (failure) {
        item.state = "failed";
        item.reason = failure.message;
        item.unknown = failure.isUnknown;
      }
      this.#keep();
      this.#changed();
    }
    this.#busy = false;
  }

  #next() {
    return this.items.find((item) => item.state === "queued");
  }

  #keep() {
    const unsent = this.items.filter((item) => item.state !== "sent");
    if (unsent.length === 0) forget(this.#key);
    else keep(this.#key, JSON.stringify(unsent));
  }
}

/** What is left of a message that the page that went had not seen confirmed. */
function afterReload(item) {
  // It was refused, and why is still true.
  if (item.state === "failed" && !item.unknown) return item;
  // What was on its way may have arrived: asking again is how one finds out.
  if (isWhole(item)) return { ...item, state: "failed", unknown: true, reason: "" };
  return { ...item, state: "failed", unknown: false, progress: undefined, reason: FILES_LOST };
}

/** All its files are uploaded: it can be sent as it is. */
function isWhole(item) {
  return item.files.every((file) => file.file_id);
}

/**
 * A name for a request that nobody else gives. `crypto.randomUUID` is there only on https and localhost.
 * @returns {string}
 */
export function newClientId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
