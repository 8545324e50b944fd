// A query, a mutation, a subscription, and what each says when it is refused.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { given, until } from "./common.mjs";
import { libraries } from "./libraries.mjs";

const VIEWER = "query { viewer { username } }";
const PUBLISH = `
  mutation ($topic: String!, $text: String!) {
    publishMessage(input: {topic: $topic, text: $text}) { status message { messageId } }
  }`;
const ACKNOWLEDGE = `
  mutation ($topic: String!, $messageId: UUID!) {
    acknowledgeMessage(topic: $topic, messageId: $messageId) { status removed }
  }`;
const MESSAGES = `
  subscription ($topic: String!, $after: String) {
    messages(topic: $topic, after: $after) { messageId text cursor }
  }`;

const topic = "topic";
const broker = libraries[given.library](given);

const { viewer } = await broker.execute(VIEWER, {});
assert.equal(viewer.username, "worker");

const received = [];
const sink = {
  next: ({ messages }) => received.push(messages),
  error: (reason) => received.push(reason),
  complete: () => {},
};
const stop = broker.subscribe(MESSAGES, { topic }, sink);
const text = `ünïcode and lines\n\n${randomUUID()}`;
const { publishMessage } = await broker.execute(PUBLISH, { topic, text });
assert.equal(publishMessage.status, "STORED");
await until(() => received.length > 0, "a message");
assert.deepEqual(received.map((message) => message.text), [text]);

const { messageId } = received[0];
assert.equal(messageId, publishMessage.message.messageId);
const { acknowledgeMessage } = await broker.execute(ACKNOWLEDGE, { topic, messageId });
assert.deepEqual({ ...acknowledgeMessage, __typename: 0 }, {
  status: "ACKNOWLEDGED",
  removed: true,
  __typename: 0,
});
stop();

// A topic that is not there: the same error for a mutation and for a subscription.
await assert.rejects(broker.execute(PUBLISH, { topic: "no topic", text }), (reason) => {
  const errors = reason.errors ?? reason.graphQLErrors ?? reason;
  return errors[0].extensions.code === "BAD_INPUT";
});
received.length = 0;
broker.subscribe(MESSAGES, { topic: "missing" }, sink);
await until(() => received.length > 0, "an error");
assert.equal(received[0][0].extensions.code, "NOT_FOUND");

broker.close();
