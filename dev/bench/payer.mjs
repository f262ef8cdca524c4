// Payers with money of their own, who sign with the official client; and a plain paid request, timed.
import { x402Client, wrapFetchWithPayment } from "@x402/fetch";
import { ExactEvmScheme } from "@x402/evm";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

export async function newPayer(chain) {
  const account = privateKeyToAccount(generatePrivateKey());
  await chain.mint(account.address, 1_000_000n);
  const client = new x402Client().register("eip155:*", new ExactEvmScheme(account));
  return {
    address: account.address,
    /** What the official client would send to `url`, not sent yet. */
    async sign(url) {
      let header;
      const recording = async (input, init) => {
        const request = new Request(input, init);
        header = request.headers.get("PAYMENT-SIGNATURE");
        return header ? new Response("recorded") : fetch(request);
      };
      const response = await wrapFetchWithPayment(recording, client)(url);
      if (!header) throw new Error(`${url} asks for no payment: ${response.status} ${await response.text()}`);
      return header;
    },
  };
}

/** Sends a payment. Milliseconds until the whole answer was there. */
export async function pay(url, header) {
  const begin = performance.now();
  const response = await fetch(url, { headers: { "PAYMENT-SIGNATURE": header } });
  const body = await response.text();
  const milliseconds = performance.now() - begin;
  if (response.status !== 200) throw new Error(`${url} answered a payment with ${response.status}: ${body.slice(0, 300)}`);
  const receipt = response.headers.get("PAYMENT-RESPONSE");
  if (!receipt) throw new Error(`${url} served without a receipt`);
  return { milliseconds, receipt: JSON.parse(Buffer.from(receipt, "base64").toString("utf8")), headers: response.headers };
}
