// The clients that people use, behind one small interface:
//   execute(query, variables)          -> data, or an error is thrown
//   subscribe(query, variables, sink)  -> a function that stops it
//   close()

import assert from "node:assert/strict";

import { CombinedGraphQLErrors, gql } from "@apollo/client";
import { Client, cacheExchange, fetchExchange } from "@urql/core";
import { parse } from "graphql";
import { createClient as createSocket } from "graphql-ws";
import { createClient as createEvents } from "graphql-sse";
import { WebSocket } from "ws";

import { connect as connectApollo } from "../../../examples/apollo/src/broker.js";
import { connect as connectGraphiql } from "../../../examples/graphiql/fetcher.js";
import { resuming } from "../../../examples/resuming.js";
import { connect as connectUrql } from "../../../examples/urql/src/broker.js";

const isMutation = (query) => parse(query).definitions[0].operation === "mutation";

export const libraries = {
  apollo(given) {
    const { client, socket } = connectApollo({ ...given, webSocketImpl: WebSocket });
    return {
      client,
      async execute(query, variables) {
        const { data, error } = await (isMutation(query)
          ? client.mutate({ mutation: gql(query), variables })
          : client.query({ query: gql(query), variables, fetchPolicy: "network-only" }));
        if (error) throw error;
        return data;
      },
      subscribe(query, variables, sink) {
        const stream = client.subscribe({ query: gql(query), variables });
        const subscription = stream.subscribe({
          next: ({ data, error }) => {
            if (!error) return sink.next(data);
            sink.error(CombinedGraphQLErrors.is(error) ? error.errors : (error.cause ?? error));
          },
          error: sink.error,
          complete: sink.complete,
        });
        return () => subscription.unsubscribe();
      },
      close: () => socket.dispose(),
    };
  },

  urql(given) {
    const { client, socket } = connectUrql({ ...given, webSocketImpl: WebSocket });
    return { ...throughUrql(client), close: () => socket.dispose() };
  },

  // Without a websocket: urql asks for events then.
  "urql-events"({ http, key }) {
    const client = new Client({
      url: http,
      preferGetMethod: false,
      fetchSubscriptions: true,
      fetchOptions: { headers: { authorization: `Bearer ${key}` } },
      exchanges: [cacheExchange, fetchExchange],
    });
    return { ...throughUrql(client), close: () => {} };
  },

  // The fetcher returns an iterator for any operation.
  graphiql(given) {
    // Its iterator hands an error to the reader, and rejects a promise that nobody holds with it.
    process.on("unhandledRejection", (reason) => assert.ok(Array.isArray(reason), reason));
    const fetcher = connectGraphiql({ ...given, fetch }); // which it looks for in `window`
    return {
      async execute(query, variables) {
        const { value } = await (await fetcher({ query, variables })).next();
        if (value.errors) throw value.errors;
        return value.data;
      },
      subscribe(query, variables, sink) {
        const results = fetcher({ query, variables }, { documentAST: parse(query) });
        void hand(results, sink);
        return async () => (await results).return();
      },
      close: () => process.exit(0), // the fetcher keeps its socket to itself
    };
  },

  "graphql-ws"({ websocket, key, ...options }) {
    return bare(
      createSocket({
        url: websocket,
        connectionParams: { Authorization: `Bearer ${key}` },
        retryAttempts: Infinity,
        shouldRetry: () => true,
        webSocketImpl: WebSocket,
        ...options,
      }),
    );
  },

  "graphql-sse"({ http, key, retryWait, ...options }) {
    return bare(
      createEvents({
        url: http,
        headers: { authorization: `Bearer ${key}` },
        retry: retryWait,
        ...options,
      }),
    );
  },
};

async function hand(results, sink) {
  try {
    for await (const { data, errors } of await results) {
      if (errors) sink.error(errors);
      else sink.next(data);
    }
    sink.complete();
  } catch (reason) {
    sink.error(reason);
  }
}

function throughUrql(client) {
  return {
    async execute(query, variables) {
      const operation = isMutation(query) ? client.mutation : client.query;
      const { data, error } = await operation
        .call(client, query, variables, { requestPolicy: "network-only" })
        .toPromise();
      if (error) throw error;
      return data;
    },
    subscribe(query, variables, sink) {
      const { unsubscribe } = client.subscription(query, variables).subscribe((result) => {
        const { data, error } = result;
        if (error) sink.error(error.graphQLErrors.length ? error.graphQLErrors : error.networkError);
        else sink.next(data);
      });
      return unsubscribe;
    },
  };
}

function bare(client) {
  const resumed = resuming(client);
  const subscribe = (query, variables, sink) =>
    resumed.subscribe({ query, variables }, {
      next: ({ data, errors }) => (errors ? sink.error(errors) : sink.next(data)),
      error: sink.error,
      complete: sink.complete ?? (() => {}),
    });
  return {
    execute: (query, variables) =>
      new Promise((next, error) => subscribe(query, variables, { next, error })),
    subscribe,
    close: () => client.dispose(),
  };
}
