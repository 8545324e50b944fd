// Passes /graphql/ on to the broker, so that the page and the broker are of one origin.

const target = process.env.DASF_BROKER ?? "http://127.0.0.1:8000";

export default {
  server: {
    proxy: { "/graphql/": { target, ws: true } },
    fs: { allow: [".."] }, // resuming.js is beside this folder
  },
};
