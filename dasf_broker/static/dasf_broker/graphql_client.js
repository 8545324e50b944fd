// GraphQL over HTTP and over websockets (graphql-transport-ws), as much as the console needs.

const PROTOCOL = "graphql-transport-ws";

// Something to tell the person in front of the page, without a GraphQL result.
export class TransportError extends Error {}

// Sends a query or mutation; returns the HTTP status and the GraphQL result.
export async function post(endpoint, request, { authorization, csrfToken, texts }) {
  const headers = {
    Accept: "application/graphql-response+json, application/json;q=0.9",
    "Content-Type": "application/json",
    "X-CSRFToken": csrfToken,
  };
  if (authorization) {
    headers.Authorization = authorization;
  }
  let response;
  try {
    const body = JSON.stringify(request);
    response = await fetch(endpoint, { method: "POST", headers, body, redirect: "error" });
  } catch {
    throw new TransportError(texts.unreachable);
  }
  try {
    return { status: response.status, result: await response.json() };
  } catch {
    throw new TransportError(`${texts.notGraphql} ${response.status} ${response.statusText}`);
  }
}

// Opens a socket for one subscription; returns a function that stops it. One socket each, so
// that each keeps the token with which it began.
export function subscribe(endpoint, request, { authorization, onLive, onNext, onEnd }) {
  const url = new URL(endpoint, location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(url, PROTOCOL);
  let ended = false;

  function end(reason) {
    if (!ended) {
      ended = true;
      socket.close(1000);
      onEnd(reason);
    }
  }

  function send(frame) {
    socket.send(JSON.stringify(frame));
  }

  const handlers = {
    connection_ack() {
      send({ id: "1", type: "subscribe", payload: request });
      onLive();
    },
    ping: () => send({ type: "pong" }),
    next: (frame) => onNext(frame.payload),
    error: (frame) => end({ errors: frame.payload }),
    complete: () => end({ completed: true }),
  };
  socket.onopen = () => {
    const payload = authorization ? { Authorization: authorization } : {};
    send({ type: "connection_init", payload });
  };
  socket.onmessage = (event) => {
    if (!ended) {
      const frame = JSON.parse(event.data);
      handlers[frame.type]?.(frame);
    }
  };
  socket.onclose = (event) => end({ code: event.code, text: event.reason });

  return () => {
    if (socket.readyState === WebSocket.OPEN) {
      send({ id: "1", type: "complete" });
    }
    end({ stopped: true });
  };
}
