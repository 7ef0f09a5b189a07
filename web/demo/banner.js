/**
 * Says that the connection is silent or lost, when it is for longer than a moment.
 * @module
 */

import { setText } from "./dom.js";

/** Shorter losses are nobody's business. */
const SHOWN_AFTER_MS = 1_500;

/**
 * Binds the parts `banner`, `bannerText` and `reconnect` to a connection.
 * @param {Record<string, HTMLElement>} parts
 * @param {import("./connection.js").Connection} connection
 */
export function bindBanner(parts, connection) {
  let later = 0;
  const show = () => {
    const isOver = connection.state === "stopped";
    setText(parts.bannerText, isOver ? connection.trouble : reconnecting(connection));
    // A socket that is silent, or just being opened, cannot be hurried.
    parts.reconnect.hidden = connection.state !== "waiting";
    parts.banner.hidden = false;
  };
  parts.reconnect.addEventListener("click", () => connection.hurry());
  connection.addEventListener("state", () => {
    if (connection.isOpen && !connection.isSilent) {
      clearTimeout(later);
      later = 0;
      parts.banner.hidden = true;
    } else if (connection.isSilent || !parts.banner.hidden) {
      // The connection has waited long enough before it called itself silent.
      show();
    } else if (later === 0) {
      later = setTimeout(show, SHOWN_AFTER_MS);
    }
  });
}

function reconnecting({ isSilent, trouble }) {
  if (isSilent) return "The server does not answer. Reconnecting…";
  return `No connection${trouble ? `: ${trouble}` : ""}. Reconnecting…`;
}
