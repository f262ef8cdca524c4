// Who pays: an account, the chain it looks at, and the official client with every scheme it has.
import { join } from "node:path";
import { x402Client } from "@x402/core/client";
import { decodePaymentRequiredHeader, decodePaymentResponseHeader } from "@x402/core/http";
import { ExactEvmScheme, toClientEvmSigner } from "@x402/evm";
import { BatchSettlementEvmScheme, computeChannelId } from "@x402/evm/batch-settlement/client";
import { FileClientChannelStorage } from "@x402/evm/batch-settlement/client/file-storage";
import { UptoEvmScheme } from "@x402/evm/upto/client";
import { wrapFetchWithPayment } from "@x402/fetch";
import { createPublicClient, createWalletClient, formatUnits, http, parseAbi } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { baseSepolia } from "viem/chains";
import { keys } from "../local/accounts.mjs";
import { configured } from "../ports.mjs";
import { fail, root } from "../tools.mjs";
import { openChannel } from "./channel.mjs";

const PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3";
const tokenAbi = parseAbi([
  "function balanceOf(address) view returns (uint256)",
  "function symbol() view returns (string)",
  "function decimals() view returns (uint8)",
  "function allowance(address, address) view returns (uint256)",
  "function approve(address, uint256) returns (bool)",
]);

/** The wallet of a private key; without one, of the local chain's test account. */
export async function openWallet({ key = keys.payer, rpc = `http://127.0.0.1:${configured.chain}` }) {
  const account = accountOf(key);
  const chain = createPublicClient({ chain: baseSepolia, transport: http(rpc), pollingInterval: 200 });
  // A local chain may begin anew. Its channels must not be taken for those of the one before, by us or by the server: the
  // salt, which tells channels of the same two parties apart, is the chain's first block.
  const salt = (await chain.getBlock({ blockNumber: 0n }).catch(() => fail(`the chain at ${rpc} cannot be read. Is npm start running?`))).hash;
  const storage = new FileClientChannelStorage({ directory: join(process.env.X402_EDGE_STATE ?? join(root, ".wrangler", "state"), "channels") });
  const channels = new BatchSettlementEvmScheme(toClientEvmSigner(account, chain), { storage, salt });
  const schemes = [new ExactEvmScheme(account), new UptoEvmScheme(account), channels];
  const read = (address, functionName, args) => chain.readContract({ address, abi: tokenAbi, functionName, args });

  return {
    address: account.address,
    network: `eip155:${baseSepolia.id}`,
    offersIn: (header) => decodePaymentRequiredHeader(header).accepts,
    requiredIn: ({ headers }) => decoded(headers.get("PAYMENT-REQUIRED"), decodePaymentRequiredHeader),
    receiptIn: ({ headers }) => decoded(headers.get("PAYMENT-RESPONSE"), decodePaymentResponseHeader),
    /** A fetch that pays by the scheme and token of `offer`. */
    payer: (offer) => {
      const wanted = ({ scheme, network, asset, extra }) =>
        scheme === offer.scheme && network === offer.network && asset === offer.asset && extra?.assetTransferMethod === offer.extra?.assetTransferMethod;
      const client = new x402Client((_, accepts) => accepts.find(wanted) ?? accepts[0]);
      for (const scheme of schemes) client.register("eip155:*", scheme);
      return wrapFetchWithPayment(fetch, client);
    },
    channel: (offer) => openChannel({ scheme: channels, storage, chain, config: channels.buildChannelConfig(offer), id: computeChannelId(channels.buildChannelConfig(offer), offer.network) }),
    token: async ({ asset }) => {
      const [symbol, decimals] = await Promise.all([read(asset, "symbol"), read(asset, "decimals")]).catch(() => fail(`the chain at ${rpc} knows no token ${asset}`));
      return {
        symbol,
        money: (units) => `${formatUnits(units, decimals)} ${symbol}`,
        balances: (payTo) => Promise.all([account.address, payTo].map((address) => read(asset, "balanceOf", [address]))),
      };
    },
    /** Permit2 moves a token only for who has let it, once; for that the payer needs gas. Says whether it had to be let. */
    letPermit2: async ({ asset, amount, extra }) => {
      const needed = [amount, extra?.minDeposit ?? 0].map(BigInt).reduce((one, other) => (one > other ? one : other));
      if ((await read(asset, "allowance", [account.address, PERMIT2])) >= needed) return false;
      const wallet = createWalletClient({ account, chain: baseSepolia, transport: http(rpc) });
      const hash = await wallet
        .writeContract({ address: asset, abi: tokenAbi, functionName: "approve", args: [PERMIT2, 2n ** 256n - 1n] })
        .catch((error) => fail(`Permit2 could not be let: ${error.shortMessage ?? error.message}`));
      await chain.waitForTransactionReceipt({ hash });
      return true;
    },
  };
}

function accountOf(key) {
  try {
    return privateKeyToAccount(key);
  } catch {
    return fail("X402_EDGE_PRIVATE_KEY is no private key: 0x and 64 hexadecimal digits are needed", 2);
  }
}

function decoded(header, decode) {
  return header ? decode(header) : undefined;
}
