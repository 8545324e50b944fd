// Who the server takes this visitor for, and which topics are there for them.

import { texts } from "./page.js";
import { post } from "./transport.js";

const WHO = `{
  viewer { isAuthenticated username isSuperuser }
  topics(first: 50) { edges { node { slug permissions { canProduce canConsume } } } }
}`;

const badge = document.getElementById("viewer");

/** Shows who is there; returns their topics. */
export async function showViewer() {
  const { data, errors } = await post({ query: WHO });
  const viewer = data?.viewer;
  badge.classList.toggle("failed", !viewer);
  badge.textContent = viewer ? nameOf(viewer) : (errors?.[0]?.message ?? "");
  return (data?.topics?.edges ?? []).map(({ node }) => node);
}

function nameOf({ isAuthenticated, username, isSuperuser }) {
  if (!isAuthenticated) {
    return texts.anonymous;
  }
  return isSuperuser ? `${username} (${texts.superuser})` : username;
}
