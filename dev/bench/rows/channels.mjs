// Payments by channel: what a repeat costs in time, and what a thousand of them cost in calls, transactions and gas.
import { setTimeout as sleep } from "node:timers/promises";
import { parseAbiItem } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { BATCH_SETTLEMENT, USDC } from "../../local/chain.mjs";
import { openChannel } from "../channel.mjs";
import { newPayer, pay } from "../payer.mjs";
import { median, rotated } from "../statistics.mjs";

const REPEAT_MILLISECONDS = 5;
const REPEATS_A_ROUND = 10;
const FACILITATOR_MILLISECONDS = 150;
const OPENED_AT_ONCE = 10;
const PAID_WITHIN = 90_000;
const CLAIMS = { idle: 10 };
const newReceiver = () => privateKeyToAccount(generatePrivateKey()).address;
const route = (payTo) => ({ scheme: "batch-settlement", payTo, minDeposit: "$1" });

/** The routes of these rows. Each has a receiver of its own, so that calls and money are told apart. */
export const channelRows = () => ["voucher", "one", "hundred"].map((key) => {
  const receiver = newReceiver();
  return { key, title: `payments by channel (${key})`, receiver, route: route(receiver), document: { claims: CLAIMS } };
});

/**
 * One answer after the other, in turns: a free path, a voucher, a voucher while the facilitator takes 150 ms, a known
 * payer's `exact`; the origin takes 5 ms.
 */
export async function repeats({ chain, gate, facilitator, rounds }) {
  const url = (key) => `${gate.url}/${key}/wait/${REPEAT_MILLISECONDS}/item`;
  const count = (rounds + 1) * REPEATS_A_ROUND;
  const payer = await newPayer(chain);
  await pay(url("known"), await payer.sign(url("known")));
  const signed = [];
  while (signed.length < count) signed.push(await payer.sign(url("known")));
  const [channel, other] = [await openChannel(chain, url("voucher")), await openChannel(chain, url("voucher"))];
  const headers = { voucher: await channel.sign(count), slow: await other.sign(count), exact: signed };
  const send = {
    free: async () => {
      const begin = performance.now();
      const response = await fetch(url("free"));
      await response.arrayBuffer();
      if (response.status !== 200) throw new Error(`a free path answered ${response.status}`);
      return performance.now() - begin;
    },
    voucher: async () => (await pay(url("voucher"), headers.voucher.shift())).milliseconds,
    slow: async () => {
      facilitator.delay = FACILITATOR_MILLISECONDS;
      const { milliseconds } = await pay(url("voucher"), headers.slow.shift());
      facilitator.delay = 0;
      return milliseconds;
    },
    exact: async () => (await pay(url("known"), headers.exact.shift())).milliseconds,
  };
  const series = Object.fromEntries(Object.keys(send).map((who) => [who, []]));
  facilitator.delay = 0;
  // The first round warms up.
  for (let round = 0; round <= rounds; round++) {
    const times = Object.fromEntries(Object.keys(send).map((who) => [who, []]));
    for (let repeat = 0; repeat < REPEATS_A_ROUND; repeat++) {
      for (const who of rotated(Object.keys(send), round + repeat)) times[who].push(await send[who]());
    }
    for (const who of Object.keys(send)) if (round > 0) series[who].push(median(times[who]));
  }
  return Object.fromEntries(Object.entries(series).map(([who, figures]) => [who, { milliseconds: median(figures), series: figures }]));
}

/** So many payments over so many channels, each channel's one after the other, all channels at the same time. */
export async function many({ chain, gate, row, channels, payments }) {
  const url = `${gate.url}/${row.key}/item`;
  const each = payments / channels - 1;
  const opened = [];
  // A few at a time: what is opened first is not to fall quiet before the last one is there.
  while (opened.length < channels) {
    const more = Math.min(OPENED_AT_ONCE, channels - opened.length);
    opened.push(...(await Promise.all(Array.from({ length: more }, () => openChannel(chain, url)))));
  }
  const headers = await Promise.all(opened.map((channel) => channel.sign(each)));
  const times = [];
  const begin = performance.now();
  await Promise.all(headers.map(async (own) => {
    for (const header of own) times.push((await pay(url, header)).milliseconds);
  }));
  const seconds = (performance.now() - begin) / 1000;
  return { row, channels, payments, ids: opened.map(({ id }) => id), perSecond: times.length / seconds, milliseconds: median(times) };
}

/** What `runs` of `many` have cost once all is claimed and settled: calls by facilitator, and what is on chain. */
export async function costs({ chain, facilitator, runs, price }) {
  for (const { row, payments } of runs) await untilPaid(chain, row.receiver, BigInt(payments) * price);
  return Object.fromEntries(await Promise.all(runs.map(async ({ row, ids, ...run }) => {
    const calls = facilitator.calls.filter(({ operation, payTo }) => operation !== "supported" && payTo === row.receiver);
    const hashes = new Set();
    for (const event of [
      "event Deposited(bytes32 indexed channelId, address indexed sender, uint128 amount, uint128 newBalance)",
      "event Claimed(bytes32 indexed channelId, address indexed sender, uint128 claimAmount, uint128 newTotalClaimed)",
    ]) {
      const logs = await chain.chain.getLogs({ address: BATCH_SETTLEMENT, event: parseAbiItem(event), args: { channelId: ids }, fromBlock: 0n });
      for (const { transactionHash } of logs) hashes.add(transactionHash);
    }
    const settled = parseAbiItem("event Settled(address indexed receiver, address indexed token, address indexed sender, uint128 amount)");
    for (const { transactionHash } of await chain.chain.getLogs({ address: BATCH_SETTLEMENT, event: settled, args: { receiver: row.receiver, token: USDC }, fromBlock: 0n })) hashes.add(transactionHash);
    return [row.key, { ...run, calls: calls.length, transactions: hashes.size, gasPerPayment: Number(await gasOf(chain, hashes)) / run.payments }];
  })));
}

/** What one `exact` payment of a known payer costs, by some of them. */
export async function exactCost({ chain, gate, facilitator, samples }) {
  const url = `${gate.url}/known/item`;
  const payer = await newPayer(chain);
  await pay(url, await payer.sign(url));
  await facilitator.idle();
  const headers = [];
  while (headers.length < samples) headers.push(await payer.sign(url));
  const before = facilitator.calls.length;
  const [begin, times, hashes] = [performance.now(), [], new Set()];
  for (const header of headers) {
    const { receipt, milliseconds } = await pay(url, header);
    times.push(milliseconds);
    hashes.add(receipt.transaction);
  }
  const seconds = (performance.now() - begin) / 1000;
  await facilitator.idle();
  const calls = facilitator.calls.slice(before).filter(({ operation }) => operation !== "supported").length;
  return { channels: 0, payments: samples, calls, transactions: hashes.size, gasPerPayment: Number(await gasOf(chain, hashes)) / samples, perSecond: samples / seconds, milliseconds: median(times) };
}

async function gasOf(chain, hashes) {
  const receipts = await Promise.all([...hashes].map((hash) => chain.chain.getTransactionReceipt({ hash })));
  return receipts.reduce((sum, { gasUsed }) => sum + gasUsed, 0n);
}

async function untilPaid(chain, receiver, amount) {
  const end = Date.now() + PAID_WITHIN;
  let paid = 0n;
  while (paid < amount) {
    if (Date.now() > end) throw new Error(`of ${amount} units for ${receiver} only ${paid} have arrived in ${PAID_WITHIN / 1000} s`);
    await sleep(500);
    paid = await chain.balanceOf(receiver);
  }
  if (paid > amount) throw new Error(`${paid} units for ${receiver}, who has earned ${amount}`);
}
