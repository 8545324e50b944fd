// The examples behind the buttons: a document, and variables that fit what was seen last.

const TOPICS = `query Topics {
  topics(first: 20) {
    edges {
      node {
        slug
        effectiveStoreMessages
        outstandingCount
        availability { status roundTripTime }
        permissions { canProduce canConsume }
      }
    }
  }
}
`;

const PUBLISH = `mutation Publish($topic: String!, $data: JSON) {
  publishMessage(input: { topic: $topic, data: $data }) {
    status
    message { messageId publishTime cursor }
  }
}
`;

const ACKNOWLEDGE = `mutation Acknowledge($topic: String!, $messageId: UUID!) {
  acknowledgeMessage(topic: $topic, messageId: $messageId) {
    messageId
    status
    removed
  }
}
`;

const PING = `mutation Ping($topic: String!) {
  pingTopic(topic: $topic) {
    pingedAt
    topic { slug availability { status } }
  }
}
`;

const PONG = `mutation Pong($topic: String!) {
  pongTopic(topic: $topic) {
    pongedAt
    roundTripTime
  }
}
`;

const MESSAGES = `subscription Messages($topic: String!) {
  messages(topic: $topic) {
    messageId
    publishTime
    data
    user { username }
  }
}
`;

const PONGS = `subscription Pongs($topic: String!) {
  pongs(topic: $topic) {
    pongedAt
    roundTripTime
    availability { status }
    user { username }
  }
}
`;

const NOBODY = "00000000-0000-4000-8000-000000000000";

// `seen` holds the topic and the id of the message that this page saw last.
export const EXAMPLES = {
  topics: { query: TOPICS, variables: () => ({}) },
  publish: {
    query: PUBLISH,
    variables: ({ topic }) => ({ topic, data: { hello: "world" } }),
  },
  acknowledge: {
    query: ACKNOWLEDGE,
    variables: ({ topic, messageId }) => ({ topic, messageId: messageId ?? NOBODY }),
  },
  ping: { query: PING, variables: ({ topic }) => ({ topic }) },
  pong: { query: PONG, variables: ({ topic }) => ({ topic }) },
  messages: { query: MESSAGES, variables: ({ topic }) => ({ topic }) },
  pongs: { query: PONGS, variables: ({ topic }) => ({ topic }) },
};

// Returns the last message id in a result, however deep.
export function lastMessageId(value) {
  if (value === null || typeof value !== "object") {
    return null;
  }
  const inside = Object.values(value).map(lastMessageId).findLast((id) => id !== null);
  return inside ?? (typeof value.messageId === "string" ? value.messageId : null);
}
