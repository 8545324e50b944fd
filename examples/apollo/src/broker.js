// Apollo Client for the broker: HTTP for queries and mutations, a websocket for subscriptions.

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";

import { resuming } from "../../resuming.js";
import { possibleTypes } from "./possible-types.js";

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
  const client = new ApolloClient({
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(resuming(socket)),
      new HttpLink({ uri: http, headers: { authorization } }),
    ),
    cache: new InMemoryCache({ possibleTypes }),
  });
  return { client, socket };
}
