// JSON for reading: indented, its parts in colours. Built from text nodes only, never from HTML.

const PARTS = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

export function showJson(element, value) {
  const text = JSON.stringify(value, null, 2) ?? "null";
  const pieces = [];
  let end = 0;
  for (const match of text.matchAll(PARTS)) {
    const [whole, quoted, colon] = match;
    const shown = quoted ?? whole;
    const piece = document.createElement("span");
    piece.className = kind(quoted, colon);
    piece.textContent = shown;
    pieces.push(text.slice(end, match.index), piece);
    end = match.index + shown.length;
  }
  element.replaceChildren(...pieces, text.slice(end));
}

function kind(quoted, colon) {
  if (quoted === undefined) {
    return "value";
  }
  return colon === undefined ? "text" : "name";
}
