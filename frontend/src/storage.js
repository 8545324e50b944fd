// Where GraphiQL keeps tabs and settings: per endpoint, because a host may have several brokers.

import { createLocalStorage } from "@graphiql/toolkit";
import { endpoint } from "./page.js";

const TABS = "graphiql:tabState";

// Where the browser forbids pages to keep anything, tabs last until the page is left.
function memory() {
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
    clear: () => kept.clear(),
    get length() {
      return kept.size;
    },
  };
}

function allowed() {
  try {
    return Boolean(localStorage);
  } catch {
    return false;
  }
}

export const storage = allowed()
  ? createLocalStorage({ namespace: `dasf_broker:${endpoint}` })
  : memory();

/** Tells whether there are no tabs from an earlier visit. */
export function isFirstVisit() {
  return storage.getItem(TABS) === null;
}
