// The same small schema for all servers on Node: a message is published, stored if it shall be,
// and goes to all subscribers. Callers are not authenticated.
import { readFileSync } from "node:fs";
import { randomUUID } from "node:crypto";

export const typeDefs = readFileSync(new URL("./schema.graphql", import.meta.url), "utf8");

// Durable as the broker's own SQLite is: WAL and synchronous=FULL, one transaction a message,
// which gives it its place in the topic.
export async function openStore(file) {
  if (!file) return () => null;
  const { default: Database } = await import("better-sqlite3");
  const database = new Database(file);
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = FULL");
  database.exec(`
    CREATE TABLE IF NOT EXISTS topic (slug TEXT PRIMARY KEY, last_sequence INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS message (
      id INTEGER PRIMARY KEY, topic TEXT NOT NULL, message_id TEXT NOT NULL,
      sequence INTEGER NOT NULL, content TEXT NOT NULL, created TEXT NOT NULL,
      UNIQUE (topic, message_id), UNIQUE (topic, sequence));
    INSERT OR IGNORE INTO topic VALUES ('topic', 0);
  `);
  const next = database.prepare(
    "UPDATE topic SET last_sequence = last_sequence + 1 WHERE slug = ? RETURNING last_sequence",
  );
  const insert = database.prepare(
    "INSERT INTO message (topic, message_id, sequence, content, created) VALUES (?, ?, ?, ?, ?)",
  );
  return database.transaction((topic, message) => {
    const { last_sequence: sequence } = next.get(topic);
    insert.run(topic, message.messageId, sequence, JSON.stringify(message.data), message.publishTime);
    return sequence;
  });
}

export function compose(id, data) {
  return {
    messageId: id ?? randomUUID(),
    publishTime: new Date().toISOString(),
    cursor: "WzEsIDFd",
    data,
  };
}

// The resolvers, over how a server passes a message on and how it listens.
export function resolvers(store, send, listen) {
  const take = (context, topic, id, data) => {
    const message = compose(id, data);
    store(topic, message);
    return Promise.resolve(send({ messages: message }, context)).then(() => message);
  };
  return {
    Query: { ok: () => true },
    Mutation: {
      publish: (_, { id, data }, context) => take(context, "topic", id, data).then(() => id),
      publishMessage: (_, { topic, id, data }, context) =>
        take(context, topic, id, data).then((message) => ({ status: "STORED", message })),
    },
    Subscription: { messages: { subscribe: (_, __, context) => listen(context) } },
  };
}
