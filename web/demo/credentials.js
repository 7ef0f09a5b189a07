/**
 * How each person of the demo proves who they are. Tokens are kept in `sessionStorage`: a reload goes on as the same
 * person, another tab is another visitor.
 * @module
 */

import { ApiFailure, call } from "./api.js";
import { forgetAll, keep, recall } from "./kept.js";

/** So long before its end a token is renewed; background tabs may wake only once a minute. */
const RENEW_BEFORE_MS = 120_000;

const NAMES = ["Robin", "Sasha", "Noor", "Mika", "Jules", "Toni", "Ari", "Remy", "Kim", "Yael", "Luca", "Imani"];

/**
 * @typedef {{agent_id: string, email: string, password: string, name: string}} DemoAgent
 * @typedef {{site_key: string, agents: DemoAgent[]}} Demo
 */

/**
 * What `switchboard demo` tells its page. Asked anew whenever somebody has to begin from nothing, because a
 * server that forgot its people has new ones.
 * @returns {Promise<Demo>}
 * @throws {ApiFailure}
 */
export async function readDemo() {
  const response = await fetch("/demo/session.json").catch(() => null);
  if (response === null) throw ApiFailure.noAnswer();
  if (!response.ok) throw ApiFailure.of(response.status);
  return response.json();
}

/**
 * What the site's widget is told.
 * @param {string} siteKey
 * @returns {Promise<{online: boolean, accepting: boolean, limits: {upload_bytes_max: number}}>}
 * @throws {ApiFailure}
 */
export function readSite(siteKey) {
  return call("GET", "/chat/widget/config", { siteKey });
}

/** A token that renews itself. What is kept is `{token, ends_at (ms), who, ...}`. */
export class Credentials {
  #key;
  #kept;
  #renewing = null;

  /** @param {string} key where it is kept */
  constructor(key) {
    this.#key = key;
    this.#kept = JSON.parse(recall(key) ?? "null");
  }

  /** It will end soon. */
  get isDue() {
    return this.#kept === null || Date.now() > this.#kept.ends_at - RENEW_BEFORE_MS;
  }

  /**
   * A token that is good for a while.
   * @returns {Promise<string>}
   */
  async token() {
    return this.isDue ? this.renew() : this.#kept.token;
  }

  /**
   * The server refused the token: it is not used again.
   * @param {string} token
   */
  refuse(token) {
    if (this.#kept?.token === token) this.#keep({ ...this.#kept, ends_at: 0 });
  }

  /**
   * A new token; who asks meanwhile gets the same one.
   * @returns {Promise<string>}
   */
  renew() {
    this.#renewing ??= this.#renewed().finally(() => { this.#renewing = null; });
    return this.#renewing;
  }

  /**
   * A new token, by the old one if there is one that is still good for that.
   * @abstract
   * @param {object | null} kept
   * @returns {Promise<object>} what to keep
   */
  async obtain(kept) {
    throw new Error(`nobody says how to follow ${kept}`);
  }

  async #renewed() {
    const before = this.#kept;
    const kept = await this.obtain(before);
    this.#keep(kept);
    if (before !== null && before.who !== kept.who) {
      // The server does not know this person any more, so what the page shows of them is gone, too.
      forgetAll();
      this.#keep(kept);
      location.reload();
    }
    return kept.token;
  }

  #keep(kept) {
    this.#kept = kept;
    keep(this.#key, JSON.stringify(kept));
  }
}

/** A visitor's token: 24 hours, renewed with itself. */
export class VisitorCredentials extends Credentials {
  constructor() {
    super("credentials.visitor");
  }

  /** @override */
  async obtain(kept) {
    const { site_key: siteKey } = await readDemo();
    if (kept !== null) {
      const renewed = await unlessRefused(call("POST", "/chat/visitors", { siteKey, token: kept.token }));
      if (renewed) return asKept(renewed);
    }
    const name = NAMES[Math.floor(Math.random() * NAMES.length)];
    return asKept(await call("POST", "/chat/visitors", { siteKey, body: { name } }));

    function asKept({ token, expires_at, visitor_id }) {
      return { token, ends_at: Date.parse(expires_at), who: visitor_id };
    }
  }
}

/** An agent's tokens: 15 minutes, renewed with a token that is good for one renewal. */
export class AgentCredentials extends Credentials {
  #place;

  /** @param {number} place which of the demo's agents it is */
  constructor(place) {
    super(`credentials.agent.${place}`);
    this.#place = place;
  }

  /** @override */
  async obtain(kept) {
    if (kept !== null) {
      const renewed = await unlessRefused(
        call("POST", "/auth/refresh", { body: { refresh_token: kept.refresh_token } }));
      if (renewed) return asKept(renewed);
    }
    const { email, password } = (await readDemo()).agents[this.#place];
    return asKept(await call("POST", "/auth/login", { body: { email, password } }));

    function asKept({ access_token, refresh_token, expires_in_s, agent }) {
      return { token: access_token, refresh_token, ends_at: Date.now() + expires_in_s * 1000, who: agent.id };
    }
  }
}

/** The answer; `null` when what was shown is not, or no longer, good. */
async function unlessRefused(answer) {
  try {
    return await answer;
  } catch (failure) {
    if (failure.status === 401) return null;
    throw failure;
  }
}
