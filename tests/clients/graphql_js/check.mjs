// Reads {sdl, introspection, documents} from stdin; says what graphql-js, the reference
// implementation that most clients and tools are built on, makes of them.

import { readFileSync } from "node:fs";
import { buildClientSchema, buildSchema, parse, validate, validateSchema } from "graphql";

const { sdl, introspection, documents } = JSON.parse(readFileSync(0, "utf-8"));
const schema = buildSchema(sdl);
const asClientsSeeIt = buildClientSchema(introspection);
const errors = [
  ...validateSchema(schema),
  ...validateSchema(asClientsSeeIt),
  ...documents.flatMap((document) => validate(schema, parse(document))),
];
console.log(
  JSON.stringify({
    types: Object.keys(schema.getTypeMap()).sort(),
    introspected: Object.keys(asClientsSeeIt.getTypeMap()).sort(),
    errors: errors.map((error) => error.message),
  }),
);
