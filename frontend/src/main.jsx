// The page: GraphiQL with the broker's examples, a token field, and a log of what arrives.

import "./workers.js";
import "@graphiql/react/style.css";
import "graphiql/graphiql.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "@graphiql/plugin-explorer/style.css";
import "./page.css";
import { createRoot } from "react-dom/client";
import { Console } from "./console.jsx";
import { exampleTabs } from "./examples.js";
import { showViewer } from "./viewer.js";

const place = document.getElementById("graphiql");

// The examples name topics that the visitor may use, so those are asked for first.
showViewer().then((topics) => {
  createRoot(place).render(<Console tabs={exampleTabs(topics)} />);
});
