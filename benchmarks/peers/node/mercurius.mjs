// mercurius on fastify, with its compiler of queries: node mercurius.mjs PORT [DATABASE]
import Fastify from "fastify";
import mercurius from "mercurius";
import { openStore, resolvers, typeDefs } from "./schema.mjs";

const [port, file] = process.argv.slice(2);
const app = Fastify();
app.register(mercurius, {
  schema: typeDefs,
  resolvers: resolvers(
    await openStore(file),
    (payload, { pubsub }) => pubsub.publish({ topic: "topic", payload }),
    ({ pubsub }) => pubsub.subscribe("topic"),
  ),
  subscription: true,
  jit: 1,
});
await app.listen({ port: Number(port), host: "127.0.0.1" });
