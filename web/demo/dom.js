/**
 * The little that the views need to build and update the page. Everything a person wrote goes through text nodes:
 * nothing here, or anywhere else in the demo, parses markup.
 * @module
 */

/**
 * Builds an element.
 * @param {string} tag
 * @param {Record<string, string | boolean | null | ((event: Event) => void)>} [properties] attributes; `true` is an
 *   empty attribute, `false` and `null` none; `onclick` and the like are listeners.
 * @param {...(Node | string)} children strings become text.
 * @returns {HTMLElement}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/**
 * The parts of a piece of the page, by their `data-part`.
 * @param {ParentNode} root
 * @returns {Record<string, HTMLElement>}
 */
export function partsOf(root) {
  return Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
}

/**
 * Sets text only when it differs, so that a selection in it lives through an update.
 * @param {Node} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @type {WeakMap<Element, {of: unknown, elements: Map<string, HTMLElement>}>} */
const rowsOf = new WeakMap();

/**
 * Makes the children of `parent` exactly `rows`. A row keeps its element for as long as its key is there, and is
 * moved only when its place changes: so focus, selection and scroll position survive.
 * @param {Element} parent which nobody else fills
 * @param {{key: string, build: () => HTMLElement, update?: (element: HTMLElement) => void}[]} rows each with a key of
 *   its own
 * @param {unknown} [of] what the rows tell of: rows of something else begin anew, whatever their keys are
 */
export function showRows(parent, rows, of = null) {
  let before = rowsOf.get(parent);
  if (before?.of !== of) {
    parent.replaceChildren();
    before = undefined;
  }
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const known = before?.elements ?? new Map();
  const elements = new Map(rows.map((row) => [row.key, known.get(row.key) ?? row.build()]));
  for (const [key, element] of known) {
    if (!elements.has(key)) element.remove();
  }
  let place = parent.firstElementChild;
  for (const row of rows) {
    const element = elements.get(row.key);
    row.update?.(element);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  rowsOf.set(parent, { of, elements });
  // An element that is moved loses the focus.
  if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
}

/**
 * Gathers calls: however often the answer is called, `draw` runs once before the next frame.
 * @param {() => void} draw
 * @returns {() => void}
 */
export function oncePerFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

/**
 * Whether a person can see the element now: its tab is in front, and it and all around it are shown.
 * @param {Element} element
 */
export function isSeen(element) {
  return document.visibilityState === "visible" && element.getClientRects().length > 0;
}

/**
 * Has a screen reader say something when it is silent next.
 * @param {string} text
 */
export function announce(text) {
  const status = document.getElementById("announcer");
  // The same text twice would be no change, and not be said.
  status.textContent = "";
  requestAnimationFrame(() => { status.textContent = text; });
}
