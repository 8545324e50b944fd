// A page that shows what comes on a topic, acknowledges it, and tells who is there.

import { useState } from "react";
import { createRoot } from "react-dom/client";
import { Provider, gql, useMutation, useSubscription } from "urql";

import { connect } from "./broker.js";

const MESSAGES = gql`
  subscription ($topic: String!, $after: String) {
    messages(topic: $topic, after: $after) {
      id
      messageId
      text
      cursor
    }
  }
`;
const AVAILABILITY = gql`
  subscription ($topic: String!) {
    availability(topic: $topic) {
      status
    }
  }
`;
const ACKNOWLEDGE = gql`
  mutation ($topic: String!, $messageId: UUID!) {
    acknowledgeMessage(topic: $topic, messageId: $messageId) {
      status
    }
  }
`;

const asked = new URLSearchParams(location.search);
const http = new URL("/graphql/", location.href).href;
const { client } = connect({
  http,
  websocket: http.replace(/^http/, "ws"),
  key: asked.get("key"),
});

function Messages({ topic }) {
  const [done, setDone] = useState(new Set());
  const [, acknowledge] = useMutation(ACKNOWLEDGE);
  const collect = (all = [], { messages }) => [...all, messages];
  const [{ data = [], error }] = useSubscription({ query: MESSAGES, variables: { topic } }, collect);

  const finish = async ({ messageId }) => {
    const { error } = await acknowledge({ topic, messageId });
    if (!error) setDone((before) => new Set(before).add(messageId));
  };

  if (error) return <p role="alert">{error.message}</p>;
  return (
    <ul>
      {data
        .filter(({ messageId }) => !done.has(messageId))
        .map((message) => (
          <li key={message.messageId}>
            {message.text} <button onClick={() => finish(message)}>acknowledge</button>
          </li>
        ))}
    </ul>
  );
}

function Page({ topic }) {
  const [{ data, error }] = useSubscription({ query: AVAILABILITY, variables: { topic } });
  return (
    <>
      <h1>{topic}</h1>
      <p role="status">{error ? error.message : data?.availability.status}</p>
      <Messages topic={topic} />
    </>
  );
}

createRoot(document.querySelector("#page")).render(
  <Provider value={client}>
    <Page topic={asked.get("topic") ?? "topic"} />
  </Provider>,
);
