/**
 * What was written and not sent: kept per conversation, and for an agent apart for the visitor and for colleagues. It
 * lives through a reload, in this tab.
 * @module
 */

import { forget, keep, recall } from "./kept.js";

/** @typedef {{reply: string, note: string, isNote: boolean}} Draft */

const EMPTY = { reply: "", note: "", isNote: false };

/** The drafts of one person. */
export class Drafts {
  #key;

  /** @param {string} key under which they are kept */
  constructor(key) {
    this.#key = key;
  }

  /**
   * @param {string} id of a conversation, or what stands for it
   * @returns {Draft}
   */
  get(id) {
    return { ...EMPTY, ...JSON.parse(recall(this.#keyOf(id)) ?? "{}") };
  }

  /**
   * Changes a part of a draft.
   * @param {string} id
   * @param {Partial<Draft>} change
   */
  set(id, change) {
    const draft = { ...this.get(id), ...change };
    if (draft.reply === "" && draft.note === "" && !draft.isNote) forget(this.#keyOf(id));
    else keep(this.#keyOf(id), JSON.stringify(draft));
  }

  /** The conversation has another name from now on. */
  rename(from, to) {
    this.set(to, this.get(from));
    forget(this.#keyOf(from));
  }

  #keyOf(id) {
    return `draft.${this.#key}.${id}`;
  }
}
