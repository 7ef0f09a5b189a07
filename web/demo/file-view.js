/**
 * Files in a thread: a picture where browsers show it safely, else a name with its kind and size.
 * @module
 */

import { h } from "./dom.js";

/** What the server serves inline. */
const SHOWN = new Set(["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"]);

/** The first that fits. */
const KINDS = [
  [/^image\//, "Picture"],
  [/^audio\//, "Sound"],
  [/^video\//, "Video"],
  [/^application\/pdf$/, "PDF"],
  [/^text\/csv$/, "Table"],
  [/^text\//, "Text"],
  [/^message\//, "E-mail"],
  [/spreadsheet|ms-excel/, "Spreadsheet"],
  [/presentation|ms-powerpoint/, "Slides"],
  [/wordprocessing|opendocument\.text|msword/, "Document"],
  [/zip|compressed/, "Archive"],
];

/**
 * @typedef {{name: string, mime: string, size: number, url?: string, thumbnail_url?: string}} ShownFile without a
 *   `url` it is still on its way
 */

/**
 * @param {ShownFile} file
 * @returns {HTMLElement}
 */
export function fileNode(file) {
  if (!file.url || !SHOWN.has(file.mime)) return plain(file);
  const picture = h("img", { src: file.thumbnail_url ?? file.url, alt: file.name, loading: "lazy" });
  const link = linkTo(file, "picture", picture);
  // Its link may have run out, or its bytes may be none that this browser knows.
  picture.addEventListener("error", () => link.replaceWith(plain(file)), { once: true });
  return link;
}

function plain(file) {
  const parts = [h("b", {}, h("bdi", {}, file.name)), h("small", {}, `${kindOf(file.mime)}, ${sizeOf(file.size)}`)];
  return file.url ? linkTo(file, "file", ...parts) : h("span", { class: "file" }, ...parts);
}

function linkTo({ url, name }, className, ...children) {
  return h("a", { class: className, href: url, title: name, target: "_blank", rel: "noopener" }, ...children);
}

/** @param {string} mime */
export function kindOf(mime) {
  return KINDS.find(([pattern]) => pattern.test(mime))?.[1] ?? "File";
}

/**
 * @param {number} bytes
 * @returns {string} in the unit that leaves few digits
 */
export function sizeOf(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 999_500) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
