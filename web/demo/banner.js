/**
 * Says that the connection is lost, when it is for longer than a moment.
 * @module
 */

import { setText } from "./dom.js";

/** Shorter losses are nobody's business. */
const SHOWN_AFTER_MS = 2_000;

/**
 * Binds the parts `banner`, `bannerText` and `reconnect` to a connection.
 * @param {Record<string, HTMLElement>} parts
 * @param {import("./connection.js").Connection} connection
 */
export function bindBanner(parts, connection) {
  let later = 0;
  const show = () => {
    const isOver = connection.state === "stopped";
    const why = connection.trouble ? `: ${connection.trouble}` : "";
    setText(parts.bannerText, isOver ? connection.trouble : `No connection${why}. Trying again…`);
    parts.reconnect.hidden = isOver;
    parts.banner.hidden = false;
  };
  parts.reconnect.addEventListener("click", () => connection.hurry());
  connection.addEventListener("state", () => {
    if (connection.isOpen) {
      clearTimeout(later);
      later = 0;
      parts.banner.hidden = true;
    } else if (later === 0) {
      later = setTimeout(show, SHOWN_AFTER_MS);
    } else if (!parts.banner.hidden) {
      show();
    }
  });
}
