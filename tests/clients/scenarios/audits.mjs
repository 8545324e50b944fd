// The audits of GraphQL over HTTP; tells each, with its outcome.

import { serverAudits } from "graphql-http";

import { given, tell } from "./common.mjs";

for (const audit of serverAudits({ url: given.url })) {
  const result = await audit.fn();
  tell({ id: audit.id, name: audit.name, status: result.status, reason: result.reason });
}
