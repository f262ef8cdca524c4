// Facilitators that want a key: the tokens are checked by another implementation, Node.js's own.
import assert from "node:assert/strict";
import { createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { after, before, beforeEach, describe, test } from "node:test";
import { startWorld } from "./world.mjs";
import { startMiniflare } from "./workers.mjs";

/** Checks a JWT as CDP would and returns its header and claims. */
function checked(token, publicKey) {
  const [header, claims, signature] = token.split(".");
  const data = Buffer.from(`${header}.${claims}`);
  const ec = publicKey.asymmetricKeyType === "ec";
  const key = ec ? { key: publicKey, dsaEncoding: "ieee-p1363" } : publicKey;
  assert.ok(verify(ec ? "sha256" : null, data, key, Buffer.from(signature, "base64url")), "the signature is wrong");
  return [header, claims].map((part) => JSON.parse(Buffer.from(part, "base64url").toString("utf8")));
}

describe("facilitator keys", () => {
  let world;
  before(async () => { world = await startWorld(); });
  after(() => world?.stop());
  beforeEach(() => { world.calls.length = 0; });

  const pay = async (keys, wanted = 200) => {
    const FACILITATOR_KEYS = typeof keys === "string" ? keys : JSON.stringify(keys);
    const worker = await startMiniflare({
      prices: world.document,
      originUrl: undefined,
      bindings: { ORIGIN_URL: world.site.url, FACILITATOR_KEYS },
    });
    try {
      const payer = await world.payer();
      assert.equal((await payer.v2(`${worker.url}/paid/page`)).status, wanted);
      return world.calls.map(({ operation, headers }) => ({ operation, authorization: headers.authorization }));
    } finally {
      await worker.stop();
    }
  };

  test("a_bearer_token_goes_to_its_facilitator_only", async () => {
    const calls = await pay({ [world.facilitator.url]: { bearer: "s3cret" } });
    assert.deepEqual(calls, [
      { operation: "verify", authorization: "Bearer s3cret" },
      { operation: "settle", authorization: "Bearer s3cret" },
    ]);
    world.calls.length = 0;
    for (const { authorization } of await pay({ "https://elsewhere.example": { bearer: "s3cret" } })) assert.equal(authorization, undefined);
  });

  for (const [algorithm, pair, secretOf] of [
    ["EdDSA", () => generateKeyPairSync("ed25519"), (key) => {
      const { d, x } = key.export({ format: "jwk" });
      return Buffer.concat([Buffer.from(d, "base64url"), Buffer.from(x, "base64url")]).toString("base64");
    }],
    ["ES256", () => generateKeyPairSync("ec", { namedCurve: "P-256" }), (key) => key.export({ format: "pem", type: "pkcs8" })],
  ]) {
    test(`a_cdp_key_signs_a_token_for_each_call_${algorithm}`, async () => {
      const { privateKey } = pair();
      const calls = await pay({ [world.facilitator.url]: { cdp: { keyId: "organizations/1/apiKeys/2", keySecret: secretOf(privateKey) } } });
      assert.deepEqual(calls.map(({ operation }) => operation), ["verify", "settle"]);
      const nonces = calls.map(({ operation, authorization }) => {
        const [header, claims] = checked(authorization.replace(/^Bearer /, ""), createPublicKey(privateKey));
        assert.equal(header.alg, algorithm);
        assert.equal(header.kid, "organizations/1/apiKeys/2");
        assert.deepEqual(claims.uris, [`POST ${world.facilitator.url.replace("http://", "")}/${operation}`]);
        assert.equal(claims.exp - claims.iat, 120);
        assert.ok(Math.abs(claims.iat - Date.now() / 1000) < 30);
        return header.nonce;
      });
      assert.match(nonces[0], /^[0-9a-f]{32}$/);
      assert.notEqual(nonces[0], nonces[1]);
    });
  }

  test("a_secret_that_is_none_does_not_stop_facilitators_without_keys", async () => {
    for (const { authorization } of await pay("nonsense")) assert.equal(authorization, undefined);
  });
});
