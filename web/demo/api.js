/**
 * One call of the public REST API.
 * @module
 */

const PREFIX = "/api/v1";
const ANSWER_WITHIN_MS = 15_000;

/** A call that did not succeed. */
export class ApiFailure extends Error {
  /**
   * @param {number} status 0 when there was no answer
   * @param {string} code one of the API's codes, or `NO_ANSWER`
   * @param {string} message
   */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** Nobody knows what became of it: the same call, with the same `client_id`, is the way to find out. */
  get isUnknown() {
    return this.code === "NO_ANSWER" || this.code === "UNAVAILABLE";
  }

  /** The server was not reached, or was lost before it answered. */
  static noAnswer() {
    return new ApiFailure(0, "NO_ANSWER", "the server does not answer");
  }

  /**
   * From the `error` of an answer or a frame.
   * @param {number} status
   * @param {{code?: string, message?: string}} [error]
   */
  static of(status, error) {
    return new ApiFailure(status, error?.code ?? "INTERNAL", error?.message ?? `the server answered ${status}`);
  }
}

/**
 * Calls the API.
 * @param {string} method
 * @param {string} path without the prefix
 * @param {{token?: string, siteKey?: string, body?: object}} [options]
 * @returns {Promise<any>} the answer's body; `null` when it has none
 * @throws {ApiFailure}
 */
export async function call(method, path, { token, siteKey, body } = {}) {
  const headers = new Headers();
  if (token) headers.set("Authorization", `Bearer ${token}`);
  if (siteKey) headers.set("X-Site-Key", siteKey);
  if (body) headers.set("Content-Type", "application/json");
  let response;
  let text;
  try {
    const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
    response = await fetch(PREFIX + path, { method, headers, body: body && JSON.stringify(body), signal });
    text = await response.text();
  } catch {
    throw ApiFailure.noAnswer();
  }
  const answer = parse(text);
  if (!response.ok) throw ApiFailure.of(response.status, answer?.error);
  return answer;
}

function parse(text) {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    // A proxy's own page. Its status says what there is to say.
    return null;
  }
}
