// A page that shows what comes on a topic, acknowledges it, and tells who is there.

import { gql } from "@apollo/client";

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
const topic = asked.get("topic") ?? "topic";
const http = new URL("/graphql/", location.href).href;
const { client } = connect({
  http,
  websocket: http.replace(/^http/, "ws"),
  key: asked.get("key"),
});

const heading = document.createElement("h1");
heading.textContent = topic;
const status = document.createElement("p");
status.setAttribute("role", "status");
const list = document.createElement("ul");
document.querySelector("#page").append(heading, status, list);

const explain = (error) => (status.textContent = error.message);

client.subscribe({ query: AVAILABILITY, variables: { topic } }).subscribe({
  next: ({ data, error }) => (error ? explain(error) : (status.textContent = data.availability.status)),
  error: explain,
});

client.subscribe({ query: MESSAGES, variables: { topic } }).subscribe({
  next: ({ data, error }) => (error ? explain(error) : show(data.messages)),
  error: explain,
});

function show({ messageId, text }) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.textContent = "acknowledge";
  button.addEventListener("click", async () => {
    button.disabled = true;
    const variables = { topic, messageId };
    await client.mutate({ mutation: ACKNOWLEDGE, variables }).then(() => item.remove(), explain);
  });
  item.append(`${text} `, button);
  list.append(item);
}
