// The panel that lists what arrives, and what is being listened to.

import { useEffect, useRef, useSyncExternalStore } from "react";
import { clear, live } from "./live.js";
import { texts } from "./page.js";

export function ListenIcon(props) {
  return (
    <svg viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.5" {...props}>
      <circle cx="10" cy="10" r="1.75" fill="currentColor" stroke="none" />
      <path d="M6.6 13.4a4.8 4.8 0 0 1 0-6.8M13.4 6.6a4.8 4.8 0 0 1 0 6.8" />
      <path d="M3.9 16.1a8.6 8.6 0 0 1 0-12.2M16.1 3.9a8.6 8.6 0 0 1 0 12.2" />
    </svg>
  );
}

export const LIVE_PLUGIN = { title: texts.live, icon: () => <ListenIcon />, content: LivePanel };

function LivePanel() {
  const { events, listeners } = useSyncExternalStore(live.watch, live.get);
  return (
    <section className="live" aria-label={texts.live}>
      <header>
        <h2>{texts.live}</h2>
        <button type="button" onClick={clear}>
          {texts.clear}
        </button>
      </header>
      <p className="hint">{texts.liveHint}</p>
      <ul className="listeners">
        {listeners.map((each) => (
          <li key={each.id} className={each.isLive ? "is-live" : ""}>
            {each.isLive ? each.label : `${each.label} (${texts.connecting})`}
            <button type="button" onClick={each.stop} aria-label={`${texts.stop}: ${each.label}`}>
              {texts.stop}
            </button>
          </li>
        ))}
      </ul>
      <Events events={events} />
    </section>
  );
}

function Events({ events }) {
  const list = useRef(null);
  const atEnd = useRef(true);
  useEffect(() => {
    // Whoever scrolled up to read is left there.
    if (atEnd.current) {
      list.current.scrollTop = list.current.scrollHeight;
    }
  }, [events]);

  function noteEnd({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) {
    atEnd.current = scrollHeight - scrollTop - clientHeight < 40;
  }

  return (
    <ol ref={list} className="events" role="log" tabIndex={0} onScroll={noteEnd}>
      {events.map(({ id, time, label, text, failed }) => (
        <li key={id} className={failed ? "failed" : ""}>
          <p>
            <time dateTime={time.toISOString()}>
              {time.toLocaleTimeString([], { hour12: false })}
            </time>{" "}
            {label}
          </p>
          <pre>{text}</pre>
        </li>
      ))}
    </ol>
  );
}
