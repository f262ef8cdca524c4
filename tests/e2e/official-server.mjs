// A server of the official packages, without this project: what a payment is held against to see whose fault a failure is.
import { createServer } from "node:http";
import { HTTPFacilitatorClient, x402HTTPResourceServer, x402ResourceServer } from "@x402/core/server";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/server";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { USDC } from "../../dev/local/chain.mjs";

const NETWORK = "eip155:84532";
/** What one call of the shop costs. */
export const PRICE = 100n;
/** How long payers of the shop wait for what they withdraw. */
export const DELAY = 900;

/**
 * Serves every path of `routes`, priced as they say, in the words of `@x402/core`. `answer(request)` is what the site
 * says: `{status, headers, body}`, or nothing for 200.
 */
async function startServer({ facilitatorUrl, schemes, routes, answer }) {
  const facilitator = new HTTPFacilitatorClient({ url: facilitatorUrl });
  const resources = new x402ResourceServer(facilitator);
  for (const scheme of schemes) resources.register(NETWORK, scheme);
  const gate = new x402HTTPResourceServer(resources, routes);
  await gate.initialize();

  const server = createServer(async (request, response) => {
    const url = new URL(request.url, `http://${request.headers.host}`);
    const adapter = {
      getHeader: (name) => request.headers[name.toLowerCase()],
      getMethod: () => request.method,
      getPath: () => url.pathname,
      getUrl: () => url.href,
      getAcceptHeader: () => request.headers.accept ?? "",
      getUserAgent: () => request.headers["user-agent"] ?? "",
    };
    const context = { adapter, path: url.pathname, method: request.method, paymentHeader: adapter.getHeader("payment-signature") };
    const send = ({ status = 200, headers = {}, body = {} }) => {
      response.writeHead(status, { "content-type": "application/json", ...headers }).end(typeof body === "string" ? body : JSON.stringify(body));
    };
    try {
      const result = await gate.processHTTPRequest(context);
      if (result.type === "payment-error") return send(result.response);
      const said = { status: 200, headers: {}, body: {}, ...(await answer(request)) };
      if (result.type !== "payment-verified") return send(said);
      const { paymentPayload, paymentRequirements, declaredExtensions, cancellationDispatcher, beforeHandlerSettlement } = result;
      if (said.status >= 400) {
        await cancellationDispatcher.cancel({ reason: "handler_failed", responseStatus: said.status });
        return send(said);
      }
      const responseBody = Buffer.from(JSON.stringify(said.body));
      const transport = { request: context, responseBody, responseHeaders: said.headers };
      const settled = await gate.processSettlement(paymentPayload, paymentRequirements, declaredExtensions, transport, undefined, beforeHandlerSettlement);
      if (!settled.success) return send(settled.response);
      send({ ...said, headers: { ...said.headers, ...settled.headers } });
    } catch (error) {
      send({ status: 500, body: { error: error.message } });
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    facilitator,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/**
 * A shop whose `/quote` is sold by channels to a receiver of its own, its key that of `authorizer` or else the
 * facilitator's. `shop.fails` makes the site fail; `manager` claims and settles.
 */
export async function startShop(facilitator, { authorizer, extra = {} } = {}) {
  const receiver = privateKeyToAccount(generatePrivateKey());
  const scheme = new BatchSettlementEvmScheme(receiver.address, { withdrawDelay: DELAY, receiverAuthorizerSigner: authorizer });
  const price = { amount: String(PRICE), asset: USDC, extra: { name: "USDC", version: "2", ...extra } };
  const accepts = { scheme: "batch-settlement", network: NETWORK, payTo: receiver.address, price, maxTimeoutSeconds: 60 };
  const shop = { receiver, served: 0, fails: false };
  const server = await startServer({
    facilitatorUrl: facilitator.url, schemes: [scheme], routes: { "GET /quote": { accepts } },
    answer: () => (shop.fails ? { status: 500, body: { error: "broken" } } : { body: { quote: (shop.served += 1) } }),
  });
  const manager = scheme.createChannelManager(server.facilitator, NETWORK, USDC);
  return Object.assign(shop, { manager, url: `${server.url}/quote`, stop: server.stop });
}
