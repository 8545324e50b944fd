// A textarea in which one can write code: indentation by Tab and Enter, running by Ctrl+Enter.

const INDENT = "  ";

export function makeEditor(area, run) {
  let leaving = false; // after Esc, Tab moves the focus: nobody is trapped here
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      insert(area, `\n${nextIndent(area)}`);
    } else if (event.key === "Tab" && !leaving && !event.altKey && !event.ctrlKey) {
      event.preventDefault();
      indent(area, event.shiftKey);
    }
    leaving = event.key === "Escape" || (leaving && event.key === "Shift");
  });
}

// Through the browser's own editing, so that undo works.
function insert(area, text) {
  const command = text === "" ? "delete" : "insertText";
  if (!document.execCommand(command, false, text)) {
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  }
}

function lineStart(area) {
  return area.value.lastIndexOf("\n", area.selectionStart - 1) + 1;
}

function nextIndent(area) {
  const before = area.value.slice(lineStart(area), area.selectionStart);
  const own = before.match(/^ */)[0];
  return /[{([]\s*$/.test(before) ? own + INDENT : own;
}

function indent(area, back) {
  const { selectionStart: from, selectionEnd: to, value } = area;
  if (!back && !value.slice(from, to).includes("\n")) {
    insert(area, INDENT);
    return;
  }
  const start = lineStart(area);
  const lines = value.slice(start, to).split("\n");
  const changed = lines.map((line) => (back ? line.replace(/^ {1,2}/, "") : INDENT + line));
  if (changed.join("\n") === lines.join("\n")) {
    return;
  }
  area.setSelectionRange(start, to);
  insert(area, changed.join("\n"));
  const first = Math.max(start, from + changed[0].length - lines[0].length);
  area.setSelectionRange(from === to ? first : start, start + changed.join("\n").length);
  if (from === to) {
    area.setSelectionRange(first, first);
  }
}
