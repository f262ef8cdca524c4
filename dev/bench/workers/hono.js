// The usual gate: hono and the official middleware, in front of a site.
import { Hono } from "hono";
import { paymentMiddleware, x402ResourceServer } from "@x402/hono";
import { ExactEvmScheme } from "@x402/evm/exact/server";
import { HTTPFacilitatorClient } from "@x402/core/server";

let app;

function make({ FACILITATOR_URL, ORIGIN_URL, PAY_TO, NETWORK, PRICE }) {
  const server = new x402ResourceServer(new HTTPFacilitatorClient({ url: FACILITATOR_URL }));
  server.register(NETWORK, new ExactEvmScheme());
  const accepts = { scheme: "exact", price: PRICE, network: NETWORK, payTo: PAY_TO };
  const made = new Hono();
  made.use(paymentMiddleware({ "/paid/*": { accepts, description: "One call" } }, server));
  made.all("*", (context) => {
    const { pathname, search } = new URL(context.req.url);
    return fetch(ORIGIN_URL + pathname + search, context.req.raw);
  });
  return made;
}

export default {
  fetch(request, env, context) {
    app ??= make(env);
    return app.fetch(request, env, context);
  },
};
