export default {
  schema: "schema.graphql",
  documents: "documents/*.graphql",
  generates: {
    "generated/": {
      preset: "client",
      presetConfig: { fragmentMasking: false },
      config: {
        enumsAsTypes: true,
        strictScalars: true,
        useTypeImports: true,
        scalars: { DateTime: "string", JSON: "unknown", UUID: "string" },
      },
    },
  },
};
