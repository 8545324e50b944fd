// What the server wrote into the page: addresses, texts, and the visitor's CSRF token.

const { dataset } = document.getElementById("graphiql");

/** Where GraphQL is spoken: where the page is, whatever proxies make of the path. */
export const endpoint = location.pathname;

/** The addresses of the editor's workers; static files may have other names than ours. */
export const workers = {
  editor: dataset.editorWorker,
  graphql: dataset.graphqlWorker,
  json: dataset.jsonWorker,
};

/** Sentences in the visitor's language, by name. */
export const texts = Object.fromEntries(
  Object.entries(dataset)
    .filter(([name]) => name.startsWith("text"))
    .map(([name, text]) => [name[4].toLowerCase() + name.slice(5), text]),
);

export const csrfToken = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
