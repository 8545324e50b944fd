// Compare two schemas; print the changes as JSON.
import { readFileSync } from "node:fs";
import { diff } from "@graphql-inspector/core";
import { buildSchema } from "graphql";

const [released, present] = process.argv.slice(2).map((path) => buildSchema(readFileSync(path, "utf8")));
const changes = await diff(released, present);
console.log(
  JSON.stringify(
    changes.map(({ criticality, message, path, type }) => ({ level: criticality.level, message, path, type })),
  ),
);
