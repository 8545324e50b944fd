// graphql-ws on ws and graphql-js, with the least HTTP that a mutation needs: node ws.mjs PORT
import { createServer } from "node:http";
import { EventEmitter, on } from "node:events";
import { graphql } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import { createSchema } from "graphql-yoga";
import { WebSocketServer } from "ws";
import { openStore, resolvers, typeDefs } from "./schema.mjs";

const [port, file] = process.argv.slice(2);
const emitter = new EventEmitter().setMaxListeners(0);
async function* listen() {
  for await (const [payload] of on(emitter, "message")) yield payload;
}
const schema = createSchema({
  typeDefs,
  resolvers: resolvers(await openStore(file), (payload) => emitter.emit("message", payload), listen),
});
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { query, variables } = JSON.parse(Buffer.concat(chunks).toString());
  const answer = JSON.stringify(await graphql({ schema, source: query, variableValues: variables }));
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(answer),
  });
  response.end(answer);
});
useServer({ schema }, new WebSocketServer({ server, path: "/graphql" }));
server.listen(Number(port), "127.0.0.1");
