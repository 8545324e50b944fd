// What a program in TypeScript does with the generated types; the compiler judges it.
import type { ResultOf, VariablesOf } from "@graphql-typed-document-node/core";
import { AcknowledgeDocument, PublishDocument, TopicsDocument, WatchMessagesDocument } from "./generated/graphql";

export function* idsOf(results: ResultOf<typeof WatchMessagesDocument>[]) {
  for (const { messages } of results) {
    const id: string = messages.messageId;
    const user: string | undefined = messages.user?.username;
    yield `${id} ${user}`;
  }
}

export function onlineTopics(result: ResultOf<typeof TopicsDocument>): string[] {
  return result.topics.edges
    .filter(({ node }) => node.availability.status === "ONLINE")
    .map(({ node }) => node.slug);
}

export const acknowledge: VariablesOf<typeof AcknowledgeDocument> = {
  topic: "demo",
  messageIds: ["00000000-0000-4000-8000-000000000000"],
};

export const publish: VariablesOf<typeof PublishDocument> = { topic: "demo", data: { any: ["JSON"] } };

// @ts-expect-error: a topic must be named
export const nowhere: VariablesOf<typeof PublishDocument> = { data: 1 };

export function unknownStatus(result: ResultOf<typeof TopicsDocument>) {
  // @ts-expect-error: there is no such status
  return result.topics.edges.some(({ node }) => node.availability.status === "AWAY");
}

export function untyped(result: ResultOf<typeof WatchMessagesDocument>): string {
  // @ts-expect-error: what a message says may be any JSON
  return result.messages.data;
}
