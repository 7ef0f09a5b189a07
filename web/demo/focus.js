/**
 * Keeps the focus where the work is: a button that goes with what it did would leave a keyboard nowhere.
 * @module
 */

/** Watches one piece of the page. */
export class FocusKeeper {
  #places;
  /** What had the focus last, unless the person took the focus away from it. */
  #last = null;

  /**
   * @param {HTMLElement} root
   * @param {() => (Element | null)[]} places where the work may go on, the best first
   */
  constructor(root, places) {
    this.#places = places;
    root.addEventListener("focusin", ({ target }) => { this.#last = target; });
    root.addEventListener("focusout", ({ target }) => {
      // An element that is being removed is still there at this moment.
      setTimeout(() => this.#left(target));
    });
  }

  #left(element) {
    if (this.#last !== element || document.activeElement === element || !document.hasFocus()) return;
    if (canHave(element)) this.#last = null;
    else this.check();
  }

  /** After each change of the page: gives the focus on when what had it is gone. */
  check() {
    const { activeElement } = document;
    if (!this.#last || canHave(this.#last)) return;
    if (activeElement !== null && activeElement !== document.body && activeElement !== this.#last) return;
    this.go();
  }

  /** Gives the focus to where the work is now. */
  go() {
    this.#places().find((place) => place && canHave(place))?.focus();
  }
}

function canHave(element) {
  return element.isConnected && element.getClientRects().length > 0 && !element.disabled;
}
