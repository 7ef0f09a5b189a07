/**
 * What a tab keeps through a reload. A browser gives a few megabytes for it, or none at all; what does not fit lives as
 * long as the page does.
 * @module
 */

const storage = storageOfTab();
/** @type {Map<string, string>} what the browser did not take */
const homeless = new Map();

/**
 * @param {string} key
 * @returns {string | null}
 */
export function recall(key) {
  return homeless.get(key) ?? storage?.getItem(key) ?? null;
}

/**
 * @param {string} key
 * @param {string} value
 */
export function keep(key, value) {
  // Neither may stay: an older value would come back as if it were this one.
  forget(key);
  try {
    if (storage === null) throw new Error("the browser keeps nothing of this page");
    storage.setItem(key, value);
  } catch (failure) {
    homeless.set(key, value);
    console.warn("this will not live through a reload:", failure.message);
  }
}

/** @param {string} key */
export function forget(key) {
  homeless.delete(key);
  storage?.removeItem(key);
}

/** Forgets everything. */
export function forgetAll() {
  homeless.clear();
  storage?.clear();
}

/** Where a person forbids it, already to ask for it fails. */
function storageOfTab() {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}
