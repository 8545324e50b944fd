// Resume subscriptions where their connection broke.
//
// Wraps a client of graphql-ws or graphql-sse. When such a client connects again, it sends its
// operations again. Those that declare `$after` then carry the cursor of the last message that
// came: nothing is missed, and nothing comes twice. Let them select `cursor`.

export function resuming(client) {
  return {
    ...client,
    subscribe(request, sink, ...more) {
      // Both clients write the request out anew for each attempt, so that this may change.
      const variables = { ...request.variables };
      const next = (result) => {
        const [message] = Object.values(result.data ?? {});
        variables.after = message?.cursor ?? variables.after;
        sink.next(result);
      };
      const error = (reason) => sink.error(reason);
      const complete = () => sink.complete();
      return client.subscribe({ ...request, variables }, { next, error, complete }, ...more);
    },
  };
}
