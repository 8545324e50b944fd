// Builds what dasf_broker/static/dasf_broker/graphiql/ holds: one script, one style sheet and
// one script for each of the editor's workers.
//
// Each is a single classic script without imports. So nothing inside names a file, and static
// files may be renamed (ManifestStaticFilesStorage) or served by any host under any path.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "vite";

const root = fileURLToPath(new URL(".", import.meta.url));
const outDir = fileURLToPath(
  new URL("../dasf_broker/static/dasf_broker/graphiql/", import.meta.url),
);

const own = (file) => fileURLToPath(new URL(`src/${file}`, import.meta.url));

// What GraphiQL would take more of than the page needs.
const INSTEAD = {
  "monaco-editor/esm/vs/editor/edcore.main.js": own("monaco.js"),
  "prettier/plugins/estree": own("jsonc_for_prettier.js"),
  "prettier/parser-babel": own("jsonc_for_prettier.js"),
};

const ENTRIES = {
  main: "src/main.jsx",
  "editor.worker": "monaco-editor/esm/vs/editor/editor.worker.js",
  "graphql.worker": "monaco-graphql/esm/graphql.worker.js",
  "json.worker": "monaco-editor/esm/vs/language/json/json.worker.js",
};

for (const [name, entry] of Object.entries(ENTRIES)) {
  await build({
    root,
    configFile: false,
    logLevel: "error",
    publicDir: false,
    resolve: { alias: name === "main" ? INSTEAD : {} },
    build: {
      outDir,
      modulePreload: false,
      emptyOutDir: name === "main",
      target: "es2022",
      cssCodeSplit: false,
      // Pictures and the icons' font go into the style sheet: it names no other file.
      assetsInlineLimit: 1024 * 1024,
      chunkSizeWarningLimit: 8 * 1024,
      license: { fileName: `${name}.licenses.md` },
      rolldownOptions: {
        input: { [name]: entry },
        // Vite's loader of chunks asks for it, and there are no chunks.
        transform: { define: { "import.meta": "{}" } },
        output: {
          format: "iife",
          codeSplitting: false,
          entryFileNames: "[name].js",
          assetFileNames: `${name}[extname]`,
        },
      },
    },
  });
}

// One list of whose work this is, each named once.
const sections = new Set();
for (const name of Object.keys(ENTRIES)) {
  const file = `${outDir}${name}.licenses.md`;
  const [, ...found] = readFileSync(file, "utf-8").split(/^(?=## )/m);
  found.forEach((section) => sections.add(section.trim()));
  rmSync(file);
}
const licenses = [...sections].sort();
writeFileSync(
  `${outDir}LICENSES.md`,
  `# Licenses\n\nThe scripts beside this file contain these packages.\n\n${licenses.join("\n\n")}\n`,
);
