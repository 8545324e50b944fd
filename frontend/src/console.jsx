// GraphiQL, dressed for the broker.

import { explorerPlugin } from "@graphiql/plugin-explorer";
import { ToolbarButton, useGraphiQL, useGraphiQLActions } from "@graphiql/react";
import { GraphiQL, HISTORY_PLUGIN } from "graphiql";
import { parse } from "jsonc-parser";
import { useEffect } from "react";
import { LIVE_PLUGIN, ListenIcon } from "./live_panel.jsx";
import { addListener, record } from "./live.js";
import { texts } from "./page.js";
import { isFirstVisit, storage } from "./storage.js";
import { onToken } from "./token.js";
import { fetcher, labelOf, operationOf, renamed, subscribe } from "./transport.js";
import { showViewer } from "./viewer.js";

// The scalar may be any JSON; without this the editor takes all but texts for mistakes.
const SCALARS = { JSON: {} };
const PLUGINS = [explorerPlugin(), HISTORY_PLUGIN, LIVE_PLUGIN];

export function Console({ tabs }) {
  return (
    <GraphiQL
      customScalarSchemas={SCALARS}
      defaultEditorToolsVisibility="variables"
      defaultTabs={tabs}
      fetcher={fetcher}
      // Of all that a tab has, GraphiQL does not show the variables of the first by itself.
      initialVariables={isFirstVisit() ? tabs[0]?.variables : undefined}
      plugins={PLUGINS}
      // Headers may hold keys: they are forgotten with the page.
      shouldPersistHeaders={false}
      showPersistHeadersSettings={false}
      storage={storage}
    >
      <GraphiQL.Logo>
        <span />
      </GraphiQL.Logo>
      <GraphiQL.Toolbar>
        {({ prettify, copy, merge }) => (
          <>
            <ListenButton />
            {prettify}
            {merge}
            {copy}
          </>
        )}
      </GraphiQL.Toolbar>
      <TokenWatch />
      <ThemeWatch />
    </GraphiQL>
  );
}

// Another token means another person, who may see other things.
function TokenWatch() {
  const { introspect } = useGraphiQLActions();
  useEffect(() => {
    onToken(() => {
      showViewer();
      introspect();
    });
  }, [introspect]);
  return null;
}

// GraphiQL looks only once whether the system is dark.
function ThemeWatch() {
  const { setTheme } = useGraphiQLActions();
  const theme = useGraphiQL((state) => state.theme);
  useEffect(() => {
    const system = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => setTheme(theme);
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, [setTheme, theme]);
  return null;
}

// GraphiQL ends a subscription when one goes to another tab. This starts one that goes on, so that
// what is published from another tab is seen to arrive.
function ListenButton() {
  const { queryEditor, variableEditor, headerEditor, operationName } = useGraphiQL(
    (state) => state,
  );

  function listen() {
    // GraphiQL unfolds the place for panels for this button only. Gone if it is open already.
    document.querySelector(`[aria-label="Show ${LIVE_PLUGIN.title}"]`)?.click();
    try {
      const query = queryEditor.getValue();
      const request = renamed({ query, variables: read(variableEditor), operationName });
      const operation = operationOf(request);
      if (operation?.operation === "subscription") {
        start(request, read(headerEditor), labelOf(request, operation));
      } else {
        record(texts.notSubscription, { errors: [{ message: texts.notSubscriptionLong }] });
      }
    } catch (error) {
      record(texts.notSubscription, { errors: [{ message: error.message }] });
    }
  }

  return (
    <ToolbarButton label={texts.listen} onClick={listen}>
      <ListenIcon className="graphiql-toolbar-icon" aria-hidden="true" />
    </ToolbarButton>
  );
}

function start(request, headers, label) {
  let listener = null;
  const stop = subscribe(request, headers, {
    onState: (state) => listener?.setLive(state === "live"),
    onResult: (result) => record(label, result),
    onEnd: () => listener?.remove(),
  });
  listener = addListener(label, stop);
}

// With comments, as GraphiQL reads them.
function read(editor) {
  const errors = [];
  const options = { allowTrailingComma: true, allowEmptyContent: true };
  const value = parse(editor?.getValue() ?? "", errors, options) ?? {};
  if (errors.length > 0) {
    throw new Error(texts.badVariables);
  }
  return value;
}
