// What any Worker costs.
export default {
  fetch: () => new Response("ok"),
};
