// How the schema is written: every rule that there is for schemas and for lists after Relay's
// specification, but for those below. That all is described, in sentences, is tested in
// tests/doors/test_schema.py too.
import graphql from "@graphql-eslint/eslint-plugin";

const CONFIGS = graphql.configs;

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: "./schema.graphql" } },
    },
    plugins: { "@graphql-eslint": graphql },
    rules: {
      ...CONFIGS["flat/schema-all"].rules,
      ...CONFIGS["flat/schema-relay"].rules,
      // Fields stand in the order in which they are best read.
      "@graphql-eslint/alphabetize": "off",
      // One argument needs no input type around it.
      "@graphql-eslint/input-name": "off",
      // `messageId` is what the DASF protocol calls it.
      "@graphql-eslint/no-typename-prefix": "off",
      // The rule forbids mutations and subscriptions.
      "@graphql-eslint/no-root-type": "off",
      // Payloads are small, and whoever wants more asks again.
      "@graphql-eslint/require-field-of-type-query-in-mutation-result": "off",
      // A mutation that fails has nothing to answer, and there are no partial results.
      "@graphql-eslint/require-nullable-result-in-root": "off",
      // Lists that are short, as those of people, have no pages.
      "@graphql-eslint/relay-edge-types": [
        "error",
        { withEdgeSuffix: true, shouldImplementNode: true, listTypeCanWrapOnlyEdgeType: false },
      ],
      // Only topics and messages have an identity.
      "@graphql-eslint/strict-id-in-types": "off",
    },
  },
];
