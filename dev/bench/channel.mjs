// Payment channels from the payer's side: opened with the official client, and vouchers signed before time is taken.
import { x402Client, wrapFetchWithPayment } from "@x402/fetch";
import { BatchSettlementEvmScheme, computeChannelId, signVoucher } from "@x402/evm/batch-settlement/client";
import { decodePaymentRequiredHeader } from "@x402/core/http";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";

/** A new payer's channel at `url`, opened by a first call that is paid and answered. `units` are minted for it. */
export async function openChannel(chain, url, units = 5_000_000n) {
  const account = privateKeyToAccount(generatePrivateKey());
  await chain.mint(account.address, units);
  const required = decodePaymentRequiredHeader((await fetch(url)).headers.get("PAYMENT-REQUIRED"));
  const [accepted] = required.accepts;
  const scheme = new BatchSettlementEvmScheme(account);
  const response = await wrapFetchWithPayment(fetch, new x402Client().register("eip155:*", scheme))(url);
  if (response.status !== 200) throw new Error(`${url} opened no channel: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
  const config = scheme.buildChannelConfig(accepted);
  const id = computeChannelId(config, accepted.network);
  let charged = BigInt(accepted.amount);
  return {
    id,
    /** Payment headers for the next `count` calls: to be sent one after the other. */
    async sign(count) {
      const headers = [];
      while (headers.length < count) {
        charged += BigInt(accepted.amount);
        const voucher = await signVoucher(account, id, String(charged), accepted.network);
        const payment = { x402Version: 2, accepted, payload: { type: "voucher", channelConfig: config, voucher }, resource: required.resource };
        headers.push(Buffer.from(JSON.stringify(payment), "utf8").toString("base64"));
      }
      return headers;
    },
  };
}
