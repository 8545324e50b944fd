// What scenarios share: what they are given, how they tell what happens, and waiting.

import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

import { WebSocket } from "ws";

// Browsers have them, and newer versions of Node.js.
globalThis.WebSocket ??= WebSocket;
globalThis.CloseEvent ??= class CloseEvent extends Event {};

export const given = JSON.parse(process.env.GIVEN);

export const tell = (value) => console.log(JSON.stringify(value));

// What the test says, line by line.
export const orders = () => {
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  return async () => JSON.parse((await lines.next()).value);
};

export async function until(condition, what) {
  const end = Date.now() + 30_000;
  while (!condition()) {
    assert.ok(Date.now() < end, `never: ${what}`);
    await sleep(10);
  }
}
