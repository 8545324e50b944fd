// urql for the broker: HTTP for queries and mutations, a websocket for subscriptions.

import { Client, cacheExchange, fetchExchange, subscriptionExchange } from "@urql/core";
import { createClient } from "graphql-ws";

import { resuming } from "../../resuming.js";

// `options` go to graphql-ws, whose own are at https://the-guild.dev/graphql/ws.
export function connect({ http, websocket, key, ...options }) {
  const authorization = `Bearer ${key}`;
  const socket = createClient({
    url: websocket,
    connectionParams: { Authorization: authorization },
    // A restarted server comes back; so does one that refuses connections for a while, which
    // graphql-ws takes for final otherwise. A key that is refused is not tried again,
    // nor is a page that may not come here (4403).
    retryAttempts: Infinity,
    shouldRetry: (event) => event?.code !== 4403,
    ...options,
  });
  const resumed = resuming(socket);
  const client = new Client({
    url: http,
    preferGetMethod: false, // the broker takes POST only
    fetchOptions: { headers: { authorization } },
    exchanges: [
      cacheExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({
          subscribe: (sink) => ({ unsubscribe: resumed.subscribe(request, sink) }),
        }),
      }),
    ],
  });
  return { client, socket };
}
