// An account that acts on the local chain, one transaction after the other.
import { createWalletClient, http, publicActions } from "viem";
import { baseSepolia } from "viem/chains";

/** The end of each account's last transaction, by chain and account. */
const ends = new Map();

/**
 * What viem knows to do at `url`, for `account`. A transaction is sent when the one before it is in a block, and its hash
 * returned when it is in one itself: anvil leaves one lying for ever, and all that follow it, that arrives just as the
 * one before it is being mined.
 */
export function walletOf(account, url) {
  const client = createWalletClient({ account, chain: baseSepolia, transport: http(url), pollingInterval: 50 }).extend(publicActions);
  const who = `${url} ${account.address}`;
  const inTurn = (send) => (args) => {
    // Without a time of its own: anvil knows no such argument of eth_sendRawTransactionSync.
    const sent = Promise.resolve(ends.get(who)).then(async () => (await send({ ...args, timeout: 0 })).transactionHash);
    ends.set(who, sent.catch(() => undefined));
    return sent;
  };
  return { ...client, writeContract: inTurn(client.writeContractSync), sendTransaction: inTurn(client.sendTransactionSync) };
}
