// Who buys by channel: the official client, and its steps one by one for what it would not do by itself.
import { x402Client, x402HTTPClient } from "@x402/core/client";
import { toClientEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme, InMemoryClientChannelStorage, computeChannelId, signVoucher } from "@x402/evm/batch-settlement/client";
import { wrapFetchWithPayment } from "@x402/fetch";
import { decodeHeader, encodeHeader } from "./world.mjs";

/**
 * A new buyer with money of their own, who can look at the chain unless `rpc` is false. `options` go to the official
 * scheme; their records can be lost: `forget`.
 */
export async function newBuyer(world, { units = 1_000_000n, rpc = true, ...options } = {}) {
  const { account, address, balance } = await world.payer(units);
  const open = () => {
    const storage = new InMemoryClientChannelStorage();
    const scheme = new BatchSettlementEvmScheme(toClientEvmSigner(account, rpc ? world.chain.chain : undefined), { storage, ...options });
    const client = new x402Client((_, accepts) => accepts.find((offer) => offer.scheme === "batch-settlement")).register("eip155:*", scheme);
    return { storage, scheme, client, http: new x402HTTPClient(client), pay: wrapFetchWithPayment(fetch, client) };
  };
  const signer = options.voucherSigner ?? account;
  const buyer = {
    account, address, balance,
    ...open(),
    forget: () => Object.assign(buyer, open()),
    /** The 402 of `url`, decoded, and the offer by channel in it. */
    async bill(url, init) {
      const response = await fetch(url, init);
      const required = decodeHeader(response.headers.get("PAYMENT-REQUIRED") ?? "e30=");
      return { status: response.status, required, offer: required.accepts?.find(({ scheme }) => scheme === "batch-settlement") };
    },
    async channel(url) {
      const { offer } = await buyer.bill(url);
      const config = buyer.scheme.buildChannelConfig(offer);
      return { offer, config, id: computeChannelId(config, offer.network) };
    },
    /** What the official client would send now: the payload, and headers with it. */
    async sign(url) {
      const { required } = await buyer.bill(url);
      const payload = await buyer.client.createPaymentPayload(required);
      return { payload, headers: { "PAYMENT-SIGNATURE": encodeHeader(payload) } };
    },
    /** The official client reads an answer to `sign`. */
    read: (payload, response) => buyer.http.processPaymentResult(payload, (name) => response.headers.get(name), response.status),
    /** Headers with a voucher for `max` in all, whatever the channel knows; `changes` go into the voucher. */
    async voucher(url, max, changes = {}) {
      const { offer, config, id } = await buyer.channel(url);
      const voucher = { ...(await signVoucher(changes.signer ?? signer, id, String(max), offer.network)), ...changes.voucher };
      return { "PAYMENT-SIGNATURE": encodeHeader({ x402Version: 2, accepted: offer, payload: { type: "voucher", channelConfig: { ...config, ...changes.config }, voucher } }) };
    },
  };
  return buyer;
}
