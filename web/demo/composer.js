/**
 * Where a person writes: Enter sends, Shift+Enter begins a line, and the other side hears that he types.
 * @module
 */

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

  /**
   * @param {HTMLFormElement} form
   * @param {HTMLTextAreaElement} input
   * @param {{send: (text: string) => void, tell: (typing: boolean, text: string) => void,
   *   takesKey?: (event: KeyboardEvent) => boolean}} does `takesKey` sees keys first, and says whether it used one
   */
  constructor(form, input, { send, tell, takesKey = () => false }) {
    this.input = input;
    this.#typing = new TypingSignal(tell);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (input.value.trim() === "") return;
      this.#typing.silence();
      send(input.value);
      input.value = "";
      input.dispatchEvent(new Event("input"));
      input.focus();
    });
    input.addEventListener("input", () => this.#typing.hear(input.value));
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

  /**
   * Lays the text aside for another one, which nobody types yet.
   * @param {string} text
   * @returns {string} the one before
   */
  swap(text) {
    const before = this.input.value;
    this.#typing.stop();
    this.input.value = text;
    return before;
  }
}

/** Says that somebody types, seldom enough, and that he stopped. */
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

  /** He stopped. */
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
