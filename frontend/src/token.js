// The API token in the page's header. It stays in this browser tab.

import { endpoint } from "./page.js";

const KEY = `dasf_broker.token:${endpoint}`;
const storage = allowedStorage();
const field = document.getElementById("token");

field.value = storage?.getItem(KEY) ?? "";
field.form?.addEventListener("submit", (event) => event.preventDefault());

// Where the browser forbids pages to keep anything, the token lasts until the page is left.
function allowedStorage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

/** Returns the value of the `Authorization` header; an empty text where there is no token. */
export function authorization() {
  const key = field.value.trim();
  return key === "" || /^(bearer|token) /i.test(key) ? key : `Bearer ${key}`;
}

/** Calls a function whenever another token was entered. */
export function onToken(callback) {
  field.addEventListener("change", () => {
    storage?.setItem(KEY, field.value.trim());
    callback();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      field.blur(); // which makes a change of what was changed
    }
  });
}
