// A token that is refused: the client says so, and does not try again and again.

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

import { given, orders, tell, until } from "./common.mjs";
import { libraries } from "./libraries.mjs";

const MESSAGES = `subscription { messages(topic: "topic") { text } }`;
const order = orders();

let attempts = 0;
const broker = libraries[given.library]({
  ...given,
  on: { connecting: () => (attempts += 1) },
  retryWait: () => sleep(1),
});

let said;
broker.subscribe(MESSAGES, {}, {
  next: () => assert.fail("a message"),
  error: (reason) => (said = reason),
  complete: () => {},
});

if (given.revoked) {
  await until(() => attempts === 1, "a connection");
  await sleep(200);
  tell("subscribed");
  await order();
}
await until(() => said, "an error");
await sleep(200); // long enough for many attempts
assert.equal(attempts, given.attempts, "attempts to connect");
const told = JSON.stringify([said.code, said.message, said.reason, said.response?.status, said]);
assert.match(told, new RegExp(given.says));
broker.close();
process.exit(0); // who listens to orders never ends
