// Which types implement which interface, for the cache. Made from schema.graphql.

export const possibleTypes = {
  Node: ["BrokerTopic", "Message", "ResponseTopic"],
  Topic: ["BrokerTopic", "ResponseTopic"],
};
