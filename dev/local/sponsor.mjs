// A facilitator that brings payers' approvals of Permit2 to the chain (extension erc20ApprovalGasSponsoring).
import { parseTransaction, recoverTransactionAddress } from "viem";

/**
 * The extension as the official facilitator classes want it. `client` pays: for its own transactions, and for the gas of
 * what payers have signed, who get just so much.
 */
export function approvalSponsor(client, signer) {
  const sent = async (hash) => {
    const { status } = await client.waitForTransactionReceipt({ hash });
    if (status !== "success") throw new Error(`transaction ${hash} failed`);
    return hash;
  };
  const bring = async (serializedTransaction) => {
    const { gas, maxFeePerGas } = parseTransaction(serializedTransaction);
    const from = await recoverTransactionAddress({ serializedTransaction });
    const lacking = gas * maxFeePerGas - (await client.getBalance({ address: from }));
    if (lacking > 0n) await sent(await client.sendTransaction({ to: from, value: lacking }));
    return sent(await client.sendRawTransaction({ serializedTransaction }));
  };
  const sendTransactions = async (transactions) => {
    const hashes = [];
    for (const transaction of transactions) {
      hashes.push(await (typeof transaction === "string" ? bring(transaction) : client.sendTransaction(transaction).then(sent)));
    }
    return hashes;
  };
  return { key: "erc20ApprovalGasSponsoring", signer: { ...signer, sendTransactions } };
}
