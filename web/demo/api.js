/**
 * One call of the public REST API.
 * @module
 */

const PREFIX = "/api/v1";
const ANSWER_WITHIN_MS = 15_000;
/** An upload that stands still for so long has no connection any more. */
const UPLOAD_MOVES_WITHIN_MS = 20_000;

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

/**
 * Uploads a file.
 * @param {string} conversationId where it will be used
 * @param {File} file
 * @param {string} token
 * @param {(progress: number) => void} onProgress from 0 to 1
 * @returns {Promise<any>} the file as the API answers it
 * @throws {ApiFailure}
 */
export function upload(conversationId, file, token, onProgress) {
  const body = new FormData();
  body.append("conversation_id", conversationId);
  body.append("file", file, file.name);
  // `fetch` does not say how far a body has come.
  const request = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    let stalls = 0;
    const moves = () => {
      clearTimeout(stalls);
      stalls = setTimeout(() => request.abort(), UPLOAD_MOVES_WITHIN_MS);
    };
    request.upload.onprogress = ({ loaded, total }) => {
      moves();
      onProgress(total > 0 ? loaded / total : 0);
    };
    request.onloadend = () => {
      clearTimeout(stalls);
      const answer = parse(request.responseText);
      if (request.status === 201 && answer) resolve(answer);
      else reject(request.status === 0 ? ApiFailure.noAnswer() : ApiFailure.of(request.status, answer?.error));
    };
    request.open("POST", `${PREFIX}/chat/upload`);
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.send(body);
    moves();
  });
}

function parse(text) {
  try {
    return text === "" ? null : JSON.parse(text);
  } catch {
    // A proxy's own page. Its status says what there is to say.
    return null;
  }
}
