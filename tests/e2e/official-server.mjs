// A server of the official packages, without this project: what a payment is held against to see whose fault a failure is.
import { createServer } from "node:http";
import { HTTPFacilitatorClient, x402HTTPResourceServer, x402ResourceServer } from "@x402/core/server";

/**
 * Serves every path of `routes`, priced as they say, in the words of `@x402/core`. `answer(request)` is what the site
 * says: `{status, headers, body}`, or nothing for 200.
 */
export async function startOfficialServer({ facilitatorUrl, network, schemes, routes, answer = () => ({}) }) {
  const facilitator = new HTTPFacilitatorClient({ url: facilitatorUrl });
  const resources = new x402ResourceServer(facilitator);
  for (const scheme of schemes) resources.register(network, scheme);
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
