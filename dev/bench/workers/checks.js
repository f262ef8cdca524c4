// The edge check of a payment, done by three: this project's module, viem, and @noble/curves. One Worker, so that the
// runtime is the same. POST /<who> with {document, path, now, payments, times}; answers how many were right.
import { keccak_256 } from "@noble/hashes/sha3.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hexToBytes, bytesToHex, utf8ToBytes, concatBytes } from "@noble/hashes/utils.js";
import { verifyTypedData } from "viem/utils";
import * as ours from "./index.js";

const types = {
  TransferWithAuthorization: [
    { name: "from", type: "address" },
    { name: "to", type: "address" },
    { name: "value", type: "uint256" },
    { name: "validAfter", type: "uint256" },
    { name: "validBefore", type: "uint256" },
    { name: "nonce", type: "bytes32" },
  ],
};

const read = (header) => {
  const { accepted, payload } = JSON.parse(atob(header));
  return { accepted, ...payload };
};

const domainOf = ({ network, asset, extra }) => ({
  name: extra.name, version: extra.version, chainId: Number(network.split(":")[1]), verifyingContract: asset,
});

async function viem(header) {
  const { accepted, authorization, signature } = read(header);
  const message = { ...authorization, value: BigInt(authorization.value), validAfter: BigInt(authorization.validAfter), validBefore: BigInt(authorization.validBefore) };
  return verifyTypedData({ address: authorization.from, domain: domainOf(accepted), types, primaryType: "TransferWithAuthorization", message, signature });
}

const hash = (text) => keccak_256(utf8ToBytes(text));
const DOMAIN_TYPE = hash("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
const TRANSFER_TYPE = hash("TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)");
const word = (hex) => hexToBytes(hex.replace(/^0x/, "").toLowerCase().padStart(64, "0"));
const number = (value) => word(BigInt(value).toString(16));

function noble(header) {
  const { accepted, authorization: a, signature } = read(header);
  const { name, version, chainId, verifyingContract } = domainOf(accepted);
  const domain = keccak_256(concatBytes(DOMAIN_TYPE, hash(name), hash(version), number(chainId), word(verifyingContract)));
  const transfer = keccak_256(concatBytes(TRANSFER_TYPE, word(a.from), word(a.to), number(a.value), number(a.validAfter), number(a.validBefore), word(a.nonce)));
  const digest = keccak_256(concatBytes(Uint8Array.of(0x19, 0x01), domain, transfer));
  const bytes = hexToBytes(signature.slice(2));
  const recovery = bytes[64] >= 27 ? bytes[64] - 27 : bytes[64];
  try {
    const point = secp256k1.Signature.fromBytes(bytes.subarray(0, 64)).addRecoveryBit(recovery).recoverPublicKey(digest).toBytes(false);
    return `0x${bytesToHex(keccak_256(point.subarray(1)).subarray(12))}` === a.from.toLowerCase();
  } catch {
    return false;
  }
}

const checks = {
  viem, noble,
  ours: (header, { path, now }) => ours.drillCheck(header, path, now),
};

export default {
  async fetch(request) {
    const who = new URL(request.url).pathname.slice(1);
    const work = await request.json();
    if (who === "load") return Response.json(ours.drillLoad(work.document, work.times));
    if (who === "lookup") return Response.json(ours.drillLookup(work.path, work.times));
    const check = checks[who];
    let right = 0;
    for (let time = 0; time < work.times; time++) {
      if (await check(work.payments[time % work.payments.length], work)) right += 1;
    }
    return Response.json(right);
  },
};
