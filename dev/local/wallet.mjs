// An account that acts on the local chain, one transaction after the other.
import { createWalletClient, http, publicActions } from "viem";
import { baseSepolia } from "viem/chains";

/**
 * What viem knows to do at `url`, for `account`. A transaction is sent when the one before it is in a block, and its hash
 * returned when it is in one itself: anvil leaves one lying for ever, and all that follow it, that arrives just as the
 * one before it is being mined.
 */
export function walletOf(account, url) {
  const client = createWalletClient({ account, chain: baseSepolia, transport: http(url), pollingInterval: 50 }).extend(publicActions);
  let last = Promise.resolve();
  const inTurn = (send) => (args) => {
    // Without a time of its own: anvil knows no such argument of eth_sendRawTransactionSync.
    const sent = last.then(async () => (await send({ ...args, timeout: 0 })).transactionHash);
    last = sent.catch(() => undefined);
    return sent;
  };
  return { ...client, writeContract: inTurn(client.writeContractSync), sendTransaction: inTurn(client.sendTransactionSync) };
}
