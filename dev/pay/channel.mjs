// A payment channel as its payer sees it: what is in it, what was charged, and how to get the rest back.
import { readChannelBalanceAndTotalClaimed } from "@x402/evm/batch-settlement/client";

/**
 * The channel of `config`, its record held against the chain: what was deposited, refunded or withdrawn elsewhere is
 * seen there, and at least what is claimed was charged.
 */
export async function openChannel({ scheme, storage, chain, config, id }) {
  const [balance, totalClaimed] = await readChannelBalanceAndTotalClaimed(chain, id);
  let record = await storage.get(id);
  if (balance === 0n) {
    await storage.delete(id);
    record = undefined;
  } else if (record === undefined || BigInt(record.balance ?? 0) !== balance || charged(record) < totalClaimed) {
    const known = charged(record);
    record = { ...record, balance: String(balance), totalClaimed: String(totalClaimed), chargedCumulativeAmount: String(known > totalClaimed ? known : totalClaimed) };
    await storage.set(id, record);
  }
  const inIt = () => BigInt(record?.balance ?? 0);
  return {
    id,
    config,
    isOpen: () => record !== undefined,
    balance: inIt,
    /** What is neither charged nor given back. */
    left: () => inIt() - charged(record),
    refresh: async () => {
      record = await storage.get(id);
    },
    refund: (url) => scheme.refund(url),
  };
}

function charged(record) {
  return BigInt(record?.chargedCumulativeAmount ?? 0);
}
