// GraphiQL for the broker, in a page of your own: HTTP for queries and mutations, a websocket for
// subscriptions.

import { createGraphiQLFetcher } from "@graphiql/toolkit";

// `options` go to `createGraphiQLFetcher`.
export function connect({ http, websocket, key, ...options }) {
  const headers = { Authorization: `Bearer ${key}` };
  return createGraphiQLFetcher({
    url: http,
    subscriptionUrl: websocket,
    headers,
    wsConnectionParams: headers,
    ...options,
  });
}
