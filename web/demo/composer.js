/**
 * Where a person writes: Enter sends, Shift+Enter begins a line, and the other side hears of the typing.
 * @module
 */

import { Attachments } from "./attachments.js";

/** The server is told at most so often; the last word is always told. */
const TELL_EVERY_MS = 400;
/** The server ends typing by itself 6 s after it was last told. */
const ENDS_BY_ITSELF_MS = 5_500;
/** The contract's bound, in characters. */
const PREVIEW_MAX = 500;

/** A form with one text area. */
export class Composer {
  /** @type {HTMLTextAreaElement} */
  input;

  #typing;
  #attachments;

  /**
   * @param {Record<string, HTMLElement>} parts `composer` (the form), `input`, and those of {@link Attachments}
   * @param {{send: (text: string, files: File[]) => void, tell: (typing: boolean, text: string) => void,
   *   keep: (text: string) => void, fail: (text: string) => void, bytesMax: () => number,
   *   takesKey?: (event: KeyboardEvent) => boolean}} does `bytesMax` says how large a file may be; `keep` is called with each change of the text; `takesKey` sees keys first, and says whether it used one
   */
  constructor(parts, { send, tell, keep, fail, bytesMax, takesKey = () => false }) {
    const { composer: form, input } = parts;
    this.input = input;
    this.#typing = new TypingSignal(tell);
    this.#attachments = new Attachments(parts, bytesMax, fail);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const isBlank = input.value.trim() === "";
      if (isBlank && this.#attachments.isEmpty) return;
      this.#typing.silence();
      send(isBlank ? "" : input.value, this.#attachments.take());
      input.value = "";
      input.dispatchEvent(new Event("input"));
      input.focus();
    });
    input.addEventListener("input", () => {
      keep(input.value);
      this.#typing.hear(input.value);
    });
    input.addEventListener("keydown", (event) => {
      // While an input method composes, Enter is its own.
      if (event.isComposing || takesKey(event)) return;
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      form.requestSubmit();
    });
  }

  /** Puts a text where the person can go on with it. */
  fill(text) {
    this.input.value = text;
    this.input.dispatchEvent(new Event("input"));
    this.input.focus();
  }

  /** Nobody types for now. */
  pause() {
    this.#typing.stop();
  }

  /**
   * Shows another text, which nobody types yet, and the files that were chosen for it.
   * @param {unknown} what text and files are for
   * @param {string} text
   */
  swap(what, text) {
    this.#typing.silence();
    this.input.value = text;
    this.#attachments.showFor(what);
  }
}

/** Says that somebody types, seldom enough, and when it stopped. */
class TypingSignal {
  #tell;
  #text = "";
  #toldAt = 0;
  #later = 0;

  constructor(tell) {
    this.#tell = tell;
  }

  /** The text is now this. */
  hear(text) {
    this.#text = text;
    if (text.trim() === "") {
      this.stop();
      return;
    }
    if (this.#later) return;
    const waitMs = Math.max(0, this.#toldAt + TELL_EVERY_MS - Date.now());
    this.#later = setTimeout(() => {
      this.#later = 0;
      this.#toldAt = Date.now();
      this.#tell(true, [...this.#text].slice(0, PREVIEW_MAX).join(""));
    }, waitMs);
  }

  /** It stopped. */
  stop() {
    const isOn = Date.now() - this.#toldAt < ENDS_BY_ITSELF_MS;
    this.silence();
    if (isOn) this.#tell(false, "");
  }

  /** Nothing more is to be said: the message itself ends the typing. */
  silence() {
    clearTimeout(this.#later);
    this.#later = 0;
    this.#toldAt = 0;
  }
}
