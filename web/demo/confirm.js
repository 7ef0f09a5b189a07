/**
 * A question before what cannot be undone.
 * @module
 */

import { setText } from "./dom.js";

/** A dialog with the parts `question`, `yes` and `no`; Escape is a no. */
export class Confirm {
  #dialog;
  #parts;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {Record<string, HTMLElement>} parts
   */
  constructor(dialog, parts) {
    this.#dialog = dialog;
    this.#parts = parts;
    parts.yes.addEventListener("click", () => dialog.close("yes"));
    parts.no.addEventListener("click", () => dialog.close("no"));
  }

  /**
   * @param {string} question
   * @returns {Promise<boolean>} by then the focus is back where it was
   */
  ask(question) {
    const dialog = this.#dialog;
    setText(this.#parts.question, question);
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }
}
