// graphql-yoga, with websockets as its documentation has them: node yoga.mjs PORT [DATABASE]
import { createServer } from "node:http";
import { createPubSub, createSchema, createYoga } from "graphql-yoga";
import { useServer } from "graphql-ws/use/ws";
import { WebSocketServer } from "ws";
import { openStore, resolvers, typeDefs } from "./schema.mjs";

const [port, file] = process.argv.slice(2);
const pubSub = createPubSub();
const yoga = createYoga({
  logging: false,
  graphiql: false,
  schema: createSchema({
    typeDefs,
    resolvers: resolvers(
      await openStore(file),
      (payload) => pubSub.publish("topic", payload),
      () => pubSub.subscribe("topic"),
    ),
  }),
});
const server = createServer(yoga);
const sockets = new WebSocketServer({ server, path: yoga.graphqlEndpoint });
useServer(
  {
    execute: (args) => args.rootValue.execute(args),
    subscribe: (args) => args.rootValue.subscribe(args),
    onSubscribe: async (ctx, _id, params) => {
      const { schema, execute, subscribe, contextFactory, parse, validate } = yoga.getEnveloped({
        ...ctx,
        req: ctx.extra.request,
        socket: ctx.extra.socket,
        params,
      });
      const args = {
        schema,
        operationName: params.operationName,
        document: parse(params.query),
        variableValues: params.variables,
        contextValue: await contextFactory(),
        rootValue: { execute, subscribe },
      };
      const errors = validate(args.schema, args.document);
      return errors.length ? errors : args;
    },
  },
  sockets,
);
server.listen(Number(port), "127.0.0.1");
