// A subscription that outlives its server: tells each message that comes.

import { setTimeout as sleep } from "node:timers/promises";

import { given, orders, tell } from "./common.mjs";
import { libraries } from "./libraries.mjs";

const MESSAGES = `
  subscription ($topic: String!, $after: String) {
    messages(topic: $topic, after: $after) { text cursor }
  }`;

const order = orders();
const broker = libraries[given.library]({
  ...given,
  retryAttempts: Infinity,
  retryWait: () => sleep(50),
});
const fail = (reason) => {
  console.error("The subscription ended.", reason);
  process.exit(1);
};
broker.subscribe(MESSAGES, { topic: given.topic }, {
  next: ({ messages }) => tell(messages.text),
  error: fail,
  complete: fail,
});
await order();
process.exit(0);
