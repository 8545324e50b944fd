// Where the editor finds its workers.

import { workers } from "./page.js";

globalThis.MonacoEnvironment = {
  getWorker(_id, label) {
    const url = new URL(workers[label] ?? workers.editor, location.href);
    return new Worker(url.origin === location.origin ? url : borrowed(url));
  },
};

// Browsers start workers of their own host only; such a worker may load another host's script.
function borrowed(url) {
  const script = `importScripts(${JSON.stringify(url.href)});`;
  return URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
}
