/**
 * The socket of one person: says hello, resumes, notices when it is silent or dead, and comes back.
 * @module
 */

import { ApiFailure } from "./api.js";

const BACKOFF_MIN_MS = 500;
const BACKOFF_MAX_MS = 10_000;
const WELCOME_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 500;
/** After so long without a word a page that is in front asks whether the server is there. */
const PING_AFTER_MS = 2_500;
/** An answer that takes longer is overdue, and the person is told. */
const SILENT_AFTER_MS = 2_000;
/** One that takes so long comes no more: the connection is given up. Until then a server may only have been busy. */
const LOST_AFTER_MS = 10_000;

/** The page was opened by another address than the server is known by. */
export const WRONG_ADDRESS = `The server does not serve pages at ${location.origin}. Open the address that it prints, or start it with --public-url ${location.origin}`;
/** Close codes of the contract after which coming back would not help, and what to tell the person. */
const FINAL = new Map([
  [4403, WRONG_ADDRESS],
  [4409, "This person is open in too many windows. Reload to go on here."],
]);

/**
 * @typedef {{conversation_id: string, after: number}} Position
 */

/**
 * Fires `state` when {@link Connection#state} or {@link Connection#isSilent} changes, `welcome` with `{welcome,
 * resumed}` (the ids that the hello resumed), and `frame` for everything that is pushed.
 */
export class Connection extends EventTarget {
  /** @type {"opening" | "open" | "waiting" | "stopped"} */
  state = "waiting";
  /** It is open, and an answer is overdue. */
  isSilent = false;
  /** Why it is `stopped`, or cannot be opened. */
  trouble = "";

  #credentials;
  #positions;
  /** @type {WebSocket | null} the one in use; what an older one still says is not heard. */
  #socket = null;
  /** @type {Map<string, {resolve: (frame: object) => void, reject: (failure: ApiFailure) => void}>} */
  #pending = new Map();
  #lastId = 0;
  #attempts = 0;
  #openAgain = 0;
  #heardAt = 0;
  #heartbeatMs = 25_000;
  /** What the server takes, as the last welcome said. */
  #limits = { frame_bytes_max: 65_536, text_bytes_max: 16_384 };
  /** Timers since the first question that nothing was heard after; 0: there is none. */
  #overdue = 0;
  #lost = 0;
  #isRenewing = false;

  /**
   * @param {{token(): Promise<string>, renew(): Promise<string>, refuse(token: string): void, isDue: boolean}}
   *   credentials
   * @param {() => Position[]} positions what to resume
   */
  constructor(credentials, positions) {
    super();
    this.#credentials = credentials;
    this.#positions = positions;
  }

  /** Opens it, and keeps it open from now on. */
  start() {
    window.addEventListener("online", () => this.#attend());
    window.addEventListener("offline", () => this.probe());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#attend();
    });
    setInterval(() => this.#look(), LOOK_EVERY_MS);
    this.#open();
  }

  /** Tries at once, when it waits to try again. */
  hurry() {
    if (this.state === "waiting") this.#open();
  }

  /** The server has said welcome. */
  get isOpen() {
    return this.state === "open";
  }

  /** Asks whether the server is there; what it says next, whatever it is, answers. */
  probe() {
    // One question at a time.
    if (this.#overdue !== 0) return;
    this.cast({ type: "ping" });
    this.#expect();
  }

  /**
   * Sends a frame and waits for its answer.
   * @param {object} frame without `id`
   * @returns {Promise<any>} the frame that answers it
   * @throws {ApiFailure} refused; or unknown, when the connection was lost before the answer
   */
  request(frame) {
    if (!this.isOpen) return Promise.reject(ApiFailure.noAnswer());
    const id = String(++this.#lastId);
    const text = JSON.stringify({ id, ...frame });
    // The server would close the socket, and the frame, sent again, the next one.
    const tooLong = this.#tooLong(frame, text);
    if (tooLong) return Promise.reject(new ApiFailure(413, "PAYLOAD_TOO_LARGE", tooLong));
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#socket.send(text);
      this.#expect();
    });
  }

  /** The rule that a frame breaks; none: it may be sent. */
  #tooLong({ text: said = "" }, frame) {
    const { text_bytes_max: textMax, frame_bytes_max: frameMax } = this.#limits;
    const bytes = bytesOf(said);
    if (bytes > textMax) {
      return `a message may have at most ${textMax} bytes, and this one has ${bytes}: send it in parts, or as a file`;
    }
    return bytesOf(frame) > frameMax ? "it is too large: send it in parts, or as a file" : "";
  }

  /**
   * Sends a frame that needs no answer; it may be lost.
   * @param {object} frame
   */
  cast(frame) {
    if (this.isOpen) this.#socket.send(JSON.stringify(frame));
  }

  async #open() {
    clearTimeout(this.#openAgain);
    this.#become("opening");
    let token;
    try {
      token = await this.#credentials.token();
    } catch (failure) {
      // Also a log-in that is refused for good is tried again: slowly, and the person is told why they wait.
      this.trouble = failure.code === "ORIGIN_NOT_ALLOWED" ? WRONG_ADDRESS : failure.message;
      this.#wait();
      return;
    }
    const socket = new WebSocket(socketUrl(), ["switchboard.v1"]);
    this.#socket = socket;
    const resume = this.#positions();
    const impatient = setTimeout(() => this.#lose(socket), WELCOME_WITHIN_MS);
    socket.onopen = () => socket.send(JSON.stringify({ id: "hello", type: "hello", token, resume }));
    socket.onclose = ({ code, reason }) => {
      clearTimeout(impatient);
      if (code === 4401) this.#credentials.refuse(token);
      this.#lose(socket, code, reason);
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#hear();
      const frame = JSON.parse(data);
      if (frame.type === "welcome") {
        clearTimeout(impatient);
        this.#welcomed(frame, resume);
      } else {
        this.#heard(frame);
      }
    };
  }

  #welcomed(welcome, resume) {
    this.#attempts = 0;
    this.trouble = "";
    this.#heartbeatMs = welcome.heartbeat_s * 1000;
    this.#limits = welcome.limits;
    this.#become("open");
    const resumed = new Set(resume.map((position) => position.conversation_id));
    this.dispatchEvent(new CustomEvent("welcome", { detail: { welcome, resumed } }));
  }

  #heard(frame) {
    const waiter = this.#pending.get(frame.reply_to);
    if (waiter) {
      this.#pending.delete(frame.reply_to);
      if (frame.type === "error") waiter.reject(ApiFailure.of(400, frame.error));
      else waiter.resolve(frame);
    }
    this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
  }

  /** Something was asked: from now on silence counts. */
  #expect() {
    const socket = this.#socket;
    if (!this.isOpen || this.#overdue !== 0) return;
    this.#overdue = setTimeout(() => this.#becomeSilent(true), SILENT_AFTER_MS);
    this.#lost = setTimeout(() => this.#lose(socket), LOST_AFTER_MS);
  }

  /** Whatever it was, the server is there. */
  #hear() {
    this.#heardAt = Date.now();
    this.#expectNothing();
    this.#becomeSilent(false);
  }

  #expectNothing() {
    clearTimeout(this.#overdue);
    clearTimeout(this.#lost);
    this.#overdue = this.#lost = 0;
  }

  #becomeSilent(isSilent) {
    if (this.isSilent === isSilent) return;
    this.isSilent = isSilent;
    this.dispatchEvent(new Event("state"));
  }

  /** Does not wait for the other side to agree that it is over: a dead network would not. */
  #lose(socket, code = 1006, reason = "") {
    if (socket !== this.#socket) return;
    this.#socket = null;
    this.#expectNothing();
    socket.close();
    for (const { reject } of this.#pending.values()) reject(ApiFailure.noAnswer());
    this.#pending.clear();
    if (FINAL.has(code)) {
      this.trouble = FINAL.get(code);
      this.#become("stopped");
      return;
    }
    // A server that restarts spreads its clients over time.
    const restart = /retry_after_ms=(\d+)/.exec(reason);
    this.#wait(restart ? Number(restart[1]) : 0);
  }

  #wait(atLeastMs = 0) {
    // Full jitter: clients that were lost together do not come back together.
    const mostMs = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** this.#attempts++);
    const delayMs = BACKOFF_MIN_MS + Math.random() * (mostMs - BACKOFF_MIN_MS);
    this.#openAgain = setTimeout(() => this.#open(), atLeastMs + delayMs);
    this.#become("waiting");
  }

  /** The person looks, or the network is back: what was taken for granted meanwhile may be gone. */
  #attend() {
    this.hurry();
    this.probe();
  }

  /** Asks a silent server whether it is there, and renews the token before its end. */
  #look() {
    if (!this.isOpen) return;
    const pingAfterMs = document.visibilityState === "visible" ? PING_AFTER_MS : this.#heartbeatMs;
    if (Date.now() - this.#heardAt > pingAfterMs) this.probe();
    if (this.#credentials.isDue && !this.#isRenewing) this.#renew();
  }

  async #renew() {
    this.#isRenewing = true;
    try {
      await this.request({ type: "token", token: await this.#credentials.renew() });
    } catch (failure) {
      // Next time, then; past its end the server closes with 4401, and the hello brings a new one.
      console.warn("the token could not be renewed:", failure.message);
    } finally {
      this.#isRenewing = false;
    }
  }

  #become(state) {
    this.state = state;
    if (state !== "open") this.isSilent = false;
    this.dispatchEvent(new Event("state"));
  }
}

/** In UTF-8, as the server counts. */
function bytesOf(text) {
  return new TextEncoder().encode(text).length;
}

function socketUrl() {
  const url = new URL("/api/v1/chat/socket", location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
}
