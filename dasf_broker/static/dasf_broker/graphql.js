// The console: sends what is written by HTTP or websocket and shows what comes back.

import { TransportError, post, subscribe } from "./graphql_client.js";
import { operationAt } from "./graphql_document.js";
import { makeEditor } from "./graphql_editor.js";
import { EXAMPLES, lastMessageId } from "./graphql_examples.js";
import { showJson } from "./graphql_json.js";

const MOST_EVENTS = 200;
const TOKEN_KEY = "dasf_broker.token";
const WHO = `{
  viewer { isAuthenticated username isSuperuser }
  topics(first: 20) { edges { node { slug permissions { canProduce canConsume } } } }
}`;

const part = (id) => document.getElementById(id);
const root = part("console");
const { endpoint } = root.dataset;
const texts = Object.fromEntries(
  Object.entries(root.dataset)
    .filter(([name]) => name.startsWith("text"))
    .map(([name, text]) => [name[4].toLowerCase() + name.slice(5), text]),
);
const csrfToken = root.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
const query = part("query");
const variables = part("variables");
const token = part("token");
const seen = { topic: "demo", messageId: null };
const storage = allowedStorage();
let runs = 0;

// Where the browser forbids pages to keep anything, the token lasts until the page is left.
function allowedStorage() {
  try {
    return sessionStorage;
  } catch {
    return null;
  }
}

function authorization() {
  const key = token.value.trim();
  return key === "" || /^(bearer|token) /i.test(key) ? key : `Bearer ${key}`;
}

function send(request) {
  return post(endpoint, request, { authorization: authorization(), csrfToken, texts });
}

// --- who you are ------------------------------------------------------------------------------

async function showViewer() {
  const badge = part("viewer");
  try {
    const { result } = await send({ query: WHO });
    const viewer = result.data?.viewer;
    badge.classList.toggle("failed", !viewer);
    badge.textContent = viewer ? nameOf(viewer) : (result.errors?.[0]?.message ?? "");
    seen.topic = usefulTopic(result.data?.topics) ?? seen.topic;
  } catch (error) {
    badge.classList.add("failed");
    badge.textContent = error.message;
  }
}

// Returns a topic for the examples: one that allows them all, if there is one.
function usefulTopic(topics) {
  const nodes = topics?.edges.map(({ node }) => node) ?? [];
  const may = ({ permissions }) => permissions.canProduce && permissions.canConsume;
  return (nodes.find(may) ?? nodes[0])?.slug;
}

function nameOf(viewer) {
  if (!viewer.isAuthenticated) {
    return texts.anonymous;
  }
  return viewer.isSuperuser ? `${viewer.username} (${texts.superuser})` : viewer.username;
}

// --- asking -----------------------------------------------------------------------------------

function readVariables() {
  if (variables.value.trim() === "") {
    return {};
  }
  let value;
  try {
    value = JSON.parse(variables.value);
  } catch (error) {
    throw new TransportError(`${texts.badVariables} ${error.message}`);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new TransportError(`${texts.badVariables} ${variables.value.trim().slice(0, 40)}`);
  }
  return value;
}

async function run() {
  runs += 1;
  const mine = runs;
  try {
    if (query.value.trim() === "") {
      throw new TransportError(texts.empty);
    }
    const operation = operationAt(query.value, query.selectionStart);
    const request = { query: query.value, variables: readVariables() };
    if (operation?.name) {
      request.operationName = operation.name;
    }
    if (typeof request.variables.topic === "string") {
      seen.topic = request.variables.topic;
    }
    if (operation?.kind === "subscription") {
      follow(request, operation.name ?? operation.kind);
      showOutcome(texts.subscribed, false);
    } else {
      await ask(request, mine);
    }
  } catch (error) {
    if (mine === runs) {
      showOutcome(error.message, true);
    }
    if (!(error instanceof TransportError)) {
      throw error;
    }
  }
}

async function ask(request, mine) {
  showOutcome(texts.running, false);
  const began = performance.now();
  const { status, result } = await send(request);
  const took = Math.round(performance.now() - began);
  seen.messageId = lastMessageId(result.data) ?? seen.messageId;
  if (mine === runs) {
    // Only the newest answer is shown, whichever comes last.
    showOutcome(`HTTP ${status} · ${took} ms`, Boolean(result.errors));
    showJson(part("answer"), result);
  }
}

function showOutcome(text, failed) {
  part("outcome").textContent = text;
  part("outcome").classList.toggle("failed", failed);
}

// --- listening --------------------------------------------------------------------------------

function follow(request, name) {
  const topic = request.variables.topic;
  const label = typeof topic === "string" ? `${name} · ${topic}` : name;
  const chip = document.createElement("li");
  const state = chip.appendChild(document.createElement("span"));
  const stopper = chip.appendChild(document.createElement("button"));
  state.textContent = `${label} (${texts.connecting})`;
  stopper.type = "button";
  stopper.textContent = texts.stop;
  stopper.setAttribute("aria-label", `${texts.stop}: ${label}`);
  part("running").append(chip);
  stopper.onclick = subscribe(endpoint, request, {
    authorization: authorization(),
    onLive() {
      chip.classList.add("live");
      state.textContent = label;
    },
    onNext(result) {
      seen.messageId = lastMessageId(result.data) ?? seen.messageId;
      addEvent(label, result, Boolean(result.errors));
    },
    onEnd(reason) {
      chip.remove();
      if (reason.errors) {
        addEvent(label, { errors: reason.errors }, true);
      } else if (reason.completed) {
        addEvent(`${label} · ${texts.ended}`, null, false);
      } else if (!reason.stopped) {
        addEvent(`${label} · ${texts.closed}: ${reason.code} ${reason.text}`, null, true);
      }
    },
  });
}

function addEvent(label, result, failed) {
  const events = part("events");
  // Whoever scrolled up to read is left there.
  const atEnd = events.scrollHeight - events.scrollTop - events.clientHeight < 40;
  const item = document.createElement("li");
  const head = item.appendChild(document.createElement("p"));
  const now = new Date();
  const time = head.appendChild(document.createElement("time"));
  time.dateTime = now.toISOString();
  time.textContent = now.toLocaleTimeString([], { hour12: false });
  head.append(` ${label}`);
  item.classList.toggle("failed", failed);
  if (result !== null) {
    showJson(item.appendChild(document.createElement("pre")), shown(result));
  }
  events.append(item);
  while (events.children.length > MOST_EVENTS) {
    events.firstElementChild.remove();
  }
  if (atEnd) {
    events.scrollTop = events.scrollHeight;
  }
}

// Without what every result of a subscription begins with: `data` and the one root field.
function shown(result) {
  return result.errors ? result : Object.values(result.data)[0];
}

// --- the page ---------------------------------------------------------------------------------

function choose(name) {
  query.value = EXAMPLES[name].query;
  query.setSelectionRange(0, 0);
  query.scrollTop = 0;
  const values = EXAMPLES[name].variables(seen);
  variables.value = Object.keys(values).length ? JSON.stringify(values, null, 2) : "";
  for (const button of root.querySelectorAll("[data-example]")) {
    button.setAttribute("aria-pressed", String(button.dataset.example === name));
  }
}

for (const button of root.querySelectorAll("[data-example]")) {
  button.addEventListener("click", () => choose(button.dataset.example));
}
for (const area of [query, variables]) {
  makeEditor(area, run);
}
token.value = storage?.getItem(TOKEN_KEY) ?? "";
token.addEventListener("change", () => {
  storage?.setItem(TOKEN_KEY, token.value.trim());
  showViewer();
});
token.addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    token.dispatchEvent(new Event("change"));
  }
});
part("run").addEventListener("click", run);
part("clear").addEventListener("click", () => part("events").replaceChildren());
choose("topics");
showViewer();
