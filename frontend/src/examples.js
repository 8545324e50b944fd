// The documents of examples/graphql/ as tabs. They are part of this script: nothing is fetched.

const DOCUMENTS = import.meta.glob("../../examples/graphql/*.graphql", {
  eager: true,
  import: "default",
  query: "?raw",
});

/**
 * Returns a tab for each example. A comment says with which variables, `# Variables: {...}`, and
 * the topic among them becomes one that this visitor may really use.
 */
export function exampleTabs(topics) {
  return Object.keys(DOCUMENTS)
    .sort()
    .map((path) => {
      const text = DOCUMENTS[path];
      const variables = JSON.parse(text.match(/^# Variables: (.*)$/m)?.[1] ?? "{}");
      const right = text.match(/^# Right: (\w+)/m)?.[1];
      if ("topic" in variables) {
        variables.topic = topicFor(topics, right) ?? variables.topic;
      }
      // What stands in the pane for variables is not said twice.
      const query = text.replace(/^# Variables: .*\n/m, "");
      const isNeeded = Object.keys(variables).length > 0;
      return { query, variables: isNeeded ? JSON.stringify(variables, null, 2) : "" };
    });
}

function topicFor(topics, right) {
  return topics.find(({ permissions }) => permissions[right])?.slug;
}
