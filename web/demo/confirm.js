/**
 * A question before what cannot be undone.
 * @module
 */

import { setText } from "./dom.js";

/** A dialog with the parts `question`, `yes` and `no`; Escape is a no. */
export class Confirm {
  #dialog;
  #parts;
  /** Takes the answer to the question that is being asked. */
  #answer = () => {};

  /**
   * @param {HTMLDialogElement} dialog
   * @param {Record<string, HTMLElement>} parts
   */
  constructor(dialog, parts) {
    this.#dialog = dialog;
    this.#parts = parts;
    parts.yes.addEventListener("click", () => dialog.close("yes"));
    parts.no.addEventListener("click", () => dialog.close("no"));
    dialog.addEventListener("close", () => {
      // It comes a little after the closing; one that comes while the next question is open is not the answer to that.
      if (!dialog.open) this.#answer(dialog.returnValue === "yes");
    });
  }

  /**
   * @param {string} question
   * @returns {Promise<boolean>} by then the focus is back where it was
   */
  ask(question) {
    this.#answer(false);
    setText(this.#parts.question, question);
    this.#dialog.returnValue = "";
    this.#dialog.showModal();
    return new Promise((resolve) => { this.#answer = resolve; });
  }
}
