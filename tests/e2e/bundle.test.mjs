// What `npm run build` leaves is what wrangler would deploy.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { env, root } from "../../dev/tools.mjs";

describe("the bundle", () => {
  test("is_two_files_that_wrangler_takes", async () => {
    assert.deepEqual(readdirSync(join(root, "build")).sort(), ["index.js", "index_bg.wasm"]);
    const out = mkdtempSync(join(tmpdir(), "x402-edge-deploy-"));
    try {
      const wrangler = spawn("wrangler", ["deploy", "--dry-run", "--outdir", out], { cwd: root, env: { ...env, WRANGLER_SEND_METRICS: "false" } });
      let text = "";
      for (const stream of [wrangler.stdout, wrangler.stderr]) stream.on("data", (chunk) => { text += chunk; });
      const [code] = await once(wrangler, "close");
      assert.equal(code, 0, text);
      assert.match(text, /env\.PRICES/);
      assert.ok(readdirSync(out).includes("index.js"));
    } finally {
      rmSync(out, { recursive: true, force: true });
    }
  });
});
