// Tells in the page's header when a subscription has lost its connection and tries again.

import { texts } from "./page.js";

const notice = document.getElementById("connection");
const lost = new Set();

/** Notes whether a subscription, whatever it is, waits for its connection to come back. */
export function setLost(subscription, isLost) {
  if (isLost) {
    lost.add(subscription);
  } else {
    lost.delete(subscription);
  }
  notice.textContent = lost.size > 0 ? texts.reconnecting : "";
}
