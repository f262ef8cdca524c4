// A facilitator of the official packages, for the local chain: /verify, /settle, /supported; x402 v1 and v2.
import { createServer } from "node:http";
import { x402Facilitator } from "@x402/core/facilitator";
import { toFacilitatorEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme } from "@x402/evm/batch-settlement/facilitator";
import { ExactEvmScheme } from "@x402/evm/exact/facilitator";
import { ExactEvmSchemeV1 } from "@x402/evm/exact/v1/facilitator";
import { UptoEvmScheme } from "@x402/evm/upto/facilitator";
import { privateKeyToAccount } from "viem/accounts";
import { keys } from "./accounts.mjs";
import { approvalSponsor } from "./sponsor.mjs";
import { walletOf } from "./wallet.mjs";

/**
 * Starts it. `onCall(operation, body, request)` sees each call and may answer in its place by returning
 * `{status, body}` or `{status, text}`, `"drop"` to close the connection, or `"hang"` to say nothing at all;
 * undefined lets it go on. `onSupported` may change what `/supported` says. With `authorizer`, a private key, it signs
 * claims and refunds of payment channels for servers that have no key of their own, and says so in `/supported`;
 * undefined: it does not.
 */
export async function startFacilitator({ port, chainUrl, authorizer = keys.receiverAuthorizer, onCall = () => undefined, onSupported = (supported) => supported }) {
  const client = walletOf(privateKeyToAccount(keys.facilitator), chainUrl);
  const signer = toFacilitatorEvmSigner(
    {
      address: client.account.address,
      readContract: (args) => client.readContract({ ...args, args: args.args ?? [] }),
      verifyTypedData: (args) => client.verifyTypedData(args),
      writeContract: (args) => client.writeContract({ ...args, args: args.args ?? [] }),
      sendTransaction: (args) => client.sendTransaction(args),
      waitForTransactionReceipt: (args) => client.waitForTransactionReceipt(args),
      getCode: (args) => client.getCode(args),
    },
    { confirmationTimeoutMs: 20_000 },
  );
  const facilitator = new x402Facilitator()
    .register("eip155:84532", new ExactEvmScheme(signer))
    .register("eip155:84532", new UptoEvmScheme(signer))
    .register("eip155:84532", new BatchSettlementEvmScheme(signer, authorizer && privateKeyToAccount(authorizer)))
    .registerExtension({ key: "eip2612GasSponsoring" })
    .registerExtension(approvalSponsor(client, signer))
    .registerV1("base-sepolia", new ExactEvmSchemeV1(signer));

  const server = createServer(async (request, response) => {
    const send = (status, body) => {
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    };
    try {
      const operation = new URL(request.url, "http://localhost").pathname.slice(1);
      if (operation === "supported") {
        await onCall(operation, undefined, request);
        return send(200, onSupported(facilitator.getSupported()));
      }
      if (operation !== "verify" && operation !== "settle") return send(404, { error: "not found" });
      let text = "";
      for await (const chunk of request.setEncoding("utf8")) text += chunk;
      const body = JSON.parse(text);
      const instead = await onCall(operation, body, request);
      if (instead === "drop") return request.socket.destroy();
      if (instead === "hang") return;
      if (instead?.text !== undefined) return response.writeHead(instead.status).end(instead.text);
      if (instead) return send(instead.status, instead.body);
      send(200, await facilitator[operation](body.paymentPayload, body.paymentRequirements));
    } catch (error) {
      send(500, { error: error.message });
    }
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Settles as `/settle` would, for tests that then do something else with the answer. */
    settle: ({ paymentPayload, paymentRequirements }) => facilitator.settle(paymentPayload, paymentRequirements),
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
