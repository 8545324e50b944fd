// What a GraphQL document asks for: just enough of its grammar to choose the way to send it.

const SILENT = /"""[\s\S]*?(?:"""|$)|"(?:\\.|[^"\\\n])*"?|#[^\n]*/g;
const TOKEN = /[{([]|[})\]]|[_A-Za-z][_0-9A-Za-z]*/g;
const KINDS = new Set(["query", "mutation", "subscription"]);

// Returns the operations of a document: their kind, name (or null), and where they begin.
export function operations(text) {
  // Texts and comments may hold anything; their length stays, so that positions do.
  const code = text.replace(SILENT, (part) => " ".repeat(part.length));
  const found = [];
  let depth = 0;
  let head = null; // the words before the first brace of a definition
  let start = 0;
  for (const { 0: token, index } of code.matchAll(TOKEN)) {
    if ("{([".includes(token)) {
      if (depth === 0 && token === "{") {
        add(found, head ?? ["query"], head ? start : index);
        head = null;
      }
      depth += 1;
    } else if ("})]".includes(token)) {
      depth = Math.max(0, depth - 1);
    } else if (depth === 0) {
      if (head === null) {
        start = index;
      }
      head = [...(head ?? []), token];
    }
  }
  return found;
}

function add(found, [kind, name], start) {
  if (KINDS.has(kind)) {
    found.push({ kind, name: name ?? null, start });
  }
}

// Returns the operation at the caret, or the first one, or null.
export function operationAt(text, caret) {
  const all = operations(text);
  return all.findLast(({ start }) => start <= caret) ?? all[0] ?? null;
}
