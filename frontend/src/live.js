// What arrived by subscriptions, newest last, and the subscriptions that run beside the tabs.

const MOST_EVENTS = 200;

let state = { events: [], listeners: [] };
let last = 0;
const watchers = new Set();

function change(part) {
  state = { ...state, ...part };
  watchers.forEach((watcher) => watcher());
}

/** For React's `useSyncExternalStore`. */
export const live = {
  get: () => state,
  watch(watcher) {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  },
};

/** Notes one result of a subscription. */
export function record(label, result) {
  last += 1;
  const event = { id: last, time: new Date(), label, ...shown(result) };
  change({ events: [...state.events, event].slice(-MOST_EVENTS) });
}

export function clear() {
  change({ events: [] });
}

/** Notes a subscription that runs beside the tabs; returns what to tell of it later. */
export function addListener(label, stop) {
  last += 1;
  const id = last;
  const remove = () => change({ listeners: state.listeners.filter((each) => each.id !== id) });
  const listener = {
    id,
    label,
    isLive: false,
    stop() {
      stop();
      remove();
    },
  };
  change({ listeners: [...state.listeners, listener] });
  return {
    remove,
    setLive(isLive) {
      change({
        listeners: state.listeners.map((each) => (each.id === id ? { ...each, isLive } : each)),
      });
    },
  };
}

// Without what every result of a subscription begins with: `data` and the one root field.
function shown(result) {
  const failed = Boolean(result.errors);
  const value = failed ? result : Object.values(result.data)[0];
  return { failed, text: JSON.stringify(value, null, 2) };
}
