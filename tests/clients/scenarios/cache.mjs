// Apollo's cache knows which types implement our interfaces, and keeps one object for each id.

import assert from "node:assert/strict";

import { gql } from "@apollo/client";

import { given } from "./common.mjs";
import { libraries } from "./libraries.mjs";

const FRAGMENT = gql`
  fragment Facts on Topic {
    id
    slug
    isPublic
  }
`;
const TOPICS = gql`
  query {
    topics(first: 10) { edges { node { ...Facts } } }
  }
  ${FRAGMENT}
`;
const NODE = gql`
  query ($id: ID!) {
    node(id: $id) { id ... on Topic { slug isPublic } ... on Message { text } }
  }
`;
const UPDATE = gql`
  mutation ($topic: String!) {
    updateTopic(input: { topic: $topic, isPublic: true }) { topic { id isPublic } }
  }
`;

const { client, close } = libraries.apollo(given);

// A fragment on an interface matches the types that implement it.
const { data } = await client.query({ query: TOPICS });
const topics = data.topics.edges.map(({ node }) => node);
assert.deepEqual(topics.map(({ slug }) => slug).sort(), ["other", "topic"]);
const [topic] = topics;
assert.equal(topic.__typename, "BrokerTopic");
assert.equal(topic.isPublic, false);

const found = await client.query({ query: NODE, variables: { id: topic.id } });
assert.equal(found.data.node.slug, topic.slug);

// What a mutation returns changes what queries showed.
const seen = [];
const watched = client.watchQuery({ query: TOPICS, fetchPolicy: "cache-only" });
watched.subscribe(({ data }) => seen.push(data));
await client.mutate({ mutation: UPDATE, variables: { topic: topic.slug } });
const from = { __typename: "BrokerTopic", id: topic.id };
const kept = client.cache.readFragment({ fragment: FRAGMENT, from: client.cache.identify(from) });
assert.equal(kept.isPublic, true);
const shown = client.readQuery({ query: TOPICS });
assert.deepEqual(
  shown.topics.edges.map(({ node }) => [node.slug, node.isPublic]).sort(),
  [["other", topic.slug === "other"], ["topic", topic.slug === "topic"]],
);
assert.ok(seen.length > 0);
client.stop();
close();
