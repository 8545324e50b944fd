// Reads JSON texts, and tells whether JSON.parse takes them, a line for each.

import { orders, tell } from "./common.mjs";

const next = orders();
for (let text = await next(); text !== null; text = await next()) {
  try {
    JSON.parse(text);
    tell({ error: null });
  } catch (error) {
    tell({ error: error.message });
  }
}
process.exit(); // it would wait for more lines
