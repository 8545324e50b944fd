// How GraphiQL reaches the broker: queries and mutations by HTTP, subscriptions by websocket.

import { getOperationAST, parse } from "graphql";
import { createClient } from "graphql-ws";
import { setLost } from "./connection.js";
import { record } from "./live.js";
import { csrfToken, endpoint, texts } from "./page.js";
import { authorization } from "./token.js";

// A page of another origin, and what graphql-ws itself takes for fatal, stays refused.
const FORBIDDEN = 4403;

/** Sends a query or a mutation; returns the result. */
export async function post(request, headers = {}) {
  const key = authorization();
  let response;
  try {
    response = await fetch(endpoint, {
      method: "POST",
      headers: {
        Accept: "application/graphql-response+json, application/json;q=0.9",
        "Content-Type": "application/json",
        "X-CSRFToken": csrfToken,
        ...(key && { Authorization: key }),
        ...headers,
      },
      body: JSON.stringify(request),
      redirect: "error",
    });
  } catch {
    return failure(texts.unreachable);
  }
  try {
    return await response.json();
  } catch {
    return failure(`${texts.notGraphql} ${response.status} ${response.statusText}`);
  }
}

/**
 * Starts a subscription on a socket of its own, so that it keeps the token with which it began.
 * It connects again whenever the connection breaks. Returns a function that ends it.
 *
 * `onState` is told "live" and "connecting"; `onResult` gets results; `onEnd` is called once.
 */
export function subscribe(request, headers, { onState = () => {}, onResult, onEnd }) {
  const url = new URL(endpoint, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const key = authorization();
  let wasLive = false;
  const client = createClient({
    url: url.href,
    connectionParams: { ...(key && { Authorization: key }), ...headers },
    retryAttempts: Infinity,
    shouldRetry: (event) => event?.code !== FORBIDDEN,
    on: {
      connecting() {
        setLost(client, wasLive);
        onState("connecting");
      },
      connected() {
        wasLive = true;
        setLost(client, false);
        onState("live");
      },
    },
  });
  const leave = () => {
    setLost(client, false);
    client.dispose();
  };
  const end = () => {
    leave();
    onEnd();
  };
  const stop = client.subscribe(request, {
    next: onResult,
    error(reason) {
      onResult(Array.isArray(reason) ? { errors: reason } : failure(closed(reason)));
      end();
    },
    complete: end,
  });
  return () => {
    stop();
    leave();
  };
}

/** GraphiQL's way out: returns a result, or something that can be subscribed to. */
export function fetcher(given, { headers } = {}) {
  const request = renamed(given);
  const operation = operationOf(request);
  if (operation?.operation !== "subscription") {
    return post(request, headers ?? {});
  }
  const label = labelOf(request, operation);
  return {
    subscribe: ({ next, complete }) => ({
      unsubscribe: subscribe(request, headers ?? {}, {
        onResult(result) {
          record(label, result);
          next(result);
        },
        onEnd: complete,
      }),
    }),
  };
}

/** Returns the operation that is asked for; nothing where the server has to say what is wrong. */
export function operationOf({ query, operationName }) {
  try {
    return getOperationAST(parse(query), operationName);
  } catch {
    return null;
  }
}

/** Returns the request without the name of an operation that is not in it any more. */
export function renamed({ operationName, ...request }) {
  // GraphiQL notices a moment after the change which operations a document has.
  return operationOf({ ...request, operationName }) ? { ...request, operationName } : request;
}

/** Returns what people recognise a subscription by. */
export function labelOf({ variables }, operation) {
  const name = operation.name?.value ?? operation.operation;
  return typeof variables?.topic === "string" ? `${name} · ${variables.topic}` : name;
}

function failure(message) {
  return { errors: [{ message }] };
}

function closed(reason) {
  return `${texts.closed}: ${reason?.code ?? ""} ${reason?.reason ?? reason?.message ?? ""}`.trim();
}
