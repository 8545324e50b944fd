// A parser and a printer of JSON with comments, for Prettier. GraphiQL would take those of
// JavaScript, seven hundred kilobytes, to indent the variables.

import { applyEdits, format } from "jsonc-parser";

const whole = { locStart: () => 0, locEnd: ({ text }) => text.length };

export const parsers = {
  jsonc: { ...whole, astFormat: "jsonc", parse: (text) => ({ text }) },
};

export const printers = {
  jsonc: {
    print({ node: { text } }) {
      const options = { insertSpaces: true, tabSize: 2, eol: "\n" };
      return applyEdits(text, format(text, undefined, options));
    },
  },
};
