/**
 * Addresses in what people write: found, and made links of. The text stays as it was written, to the letter.
 * @module
 */

import { h } from "./dom.js";

/**
 * A scheme, a host with its port, and what follows it up to the next character that no address has in it as people
 * write them: spaces, quotes, angle brackets, controls and direction marks, and the punctuation of languages that are
 * written without spaces.
 */
const ADDRESS = new RegExp(
  String.raw`(?<![\p{L}\p{N}])https?:\/\/[\p{L}\p{M}\p{N}\p{So}.\-_%:\[\]\u200c\u200d]+`
  + String.raw`(?:[\/?#][^\s<>"\\^{}|\p{Cc}\u0060\u00ab\u00ad\u00bb\u061c\u200b\u200e\u200f\u201c-\u201e\u202a-\u202e`
  + String.raw`\u2060-\u206f\u3000-\u303f\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f]*)?`, "giu");
/** These end the sentence, not the address. */
const TRAILING = new Set([".", ",", ":", ";", "!", "?", "'", "*", "_", "~", "\u2026", "\u2018", "\u2019", "\u203a"]);
const CLOSING = new Map([[")", "("], ["]", "["]]);
/** A longer one is shown as text: no browser would open it everywhere. */
const ADDRESS_MAX = 2048;

/**
 * The text as nodes, its addresses as links.
 * @param {string} text
 * @returns {(string | HTMLAnchorElement)[]}
 */
export function linked(text) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const written = trimmed(match[0]);
    // A name before an `@` is there to look like the host.
    const link = text[match.index + match[0].length] === "@" ? null : linkTo(written);
    if (link === null) continue;
    nodes.push(text.slice(end, match.index), link);
    end = match.index + written.length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== "");
}

/** Without what belongs to the sentence around it. A bracket stays when it was opened inside. */
function trimmed(address) {
  let end = address.length;
  for (; end > 0; end -= 1) {
    const last = address[end - 1];
    const opening = CLOSING.get(last);
    if (opening ? isBalanced(address.slice(0, end), opening, last) : !TRAILING.has(last)) break;
  }
  return address.slice(0, end);
}

function isBalanced(address, opening, closing) {
  return address.split(opening).length >= address.split(closing).length;
}

function linkTo(written) {
  const url = written.length > ADDRESS_MAX ? null : parsed(written);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) return null;
  // Names in other scripts are written in the address bar as the browser chooses; here one can look at both.
  const title = written.toLowerCase().includes(url.hostname) ? null : url.href;
  return h("a", { href: url.href, title, target: "_blank", rel: "noopener nofollow ugc" }, written);
}

function parsed(address) {
  try {
    return new URL(address);
  } catch {
    return null;
  }
}
