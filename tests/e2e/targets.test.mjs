// Request targets as an attacker writes them, to bare workerd, which repairs nothing.
import assert from "node:assert/strict";
import { connect, createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { NETWORK, merchant } from "./world.mjs";
import { startWorkerd } from "./workers.mjs";

/** Sends one request line as it is and returns the status and the body. */
function ask(port, target, method = "GET", headers = "") {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    const chunks = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", reject);
    socket.on("close", () => {
      const [head, body] = Buffer.concat(chunks).toString("latin1").split("\r\n\r\n");
      resolve({ status: Number(head.split(" ")[1]), body });
    });
    socket.end(`${method} ${target} HTTP/1.1\r\nHost: shop.example\r\n${headers}Connection: close\r\n\r\n`, "latin1");
  });
}

/** An origin that answers with the request line it got, byte for byte. */
async function startRawOrigin() {
  const server = createServer((socket) => {
    let text = "";
    socket.on("error", () => {});
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (!text.includes("\r\n\r\n")) return;
      const body = text.split("\r\n").filter((line) => /^[A-Z]+ .* HTTP|^host:|premium/i.test(line)).join("\n");
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`, "latin1");
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { host: `127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

describe("request targets", () => {
  let origin, workerd;
  before(async () => {
    origin = await startRawOrigin();
    const prices = {
      payTo: merchant.address,
      network: NETWORK,
      facilitators: ["http://127.0.0.1:9"],
      routes: { "/premium/*": { price: "$0.01" }, "GET /report": { price: "$1" } },
    };
    workerd = await startWorkerd({ prices, originUrl: `http://${origin.host}` });
  });
  after(() => {
    workerd?.stop();
    origin?.stop();
  });

  test("free_targets_reach_the_origin_byte_for_byte", async () => {
    for (const target of [
      "/", "/free", "/%66ree", "/a%2fb", "/a//b", "//a", "/free;x=1", "/free%", "/free%zz", "/a%5cb", "/caf%C3%A9",
      "/free?a=%zz&b=../../premium&c=//x", "/a:b@c", "/...", "/%00", "//evil.example/free", "/a%2e%2eb", "/~!$&'()*+,=",
    ]) {
      const { status, body } = await ask(workerd.port, target);
      assert.equal(status, 200, target);
      assert.equal(body, `GET ${target} HTTP/1.1\nHost: ${origin.host}`);
    }
  });

  test("no_target_changes_the_host_that_is_asked", async () => {
    for (const target of ["http://evil.example/free", "http://evil.example", "//evil.example/free", "http://evil.example:80/free", "/http://evil.example/", "http://evil.example@127.0.0.1/free", "evil.example"]) {
      const { status, body } = await ask(workerd.port, target);
      assert.equal(status, 200, target);
      assert.match(body, new RegExp(`Host: ${origin.host}$`), target);
    }
    for (const target of ["@evil.example/free", "http://a\\@evil.example/", "*"]) {
      assert.equal((await ask(workerd.port, target)).status, 400, target);
    }
  });

  test("no_spelling_of_a_priced_path_is_served", async () => {
    for (const target of [
      "/premium", "/premium/", "/premium/x", "/PREMIUM/x", "/pre%6dium/x", "/%70%72%65mium", "/premium%2fx", "/%2570remium", "/premium;a/x",
      "/;/premium", "//premium", "///premium//x", "//x/premium", "///x/premium", "/index.php/premium/x", "/premium/index.html", "/(S(x))/premium/y", "/./premium", "/x/../premium", "/x/%2e%2e/premium", "/x/%252e%252e/premium",
      "/x/..%2fpremium", "/x/..;/premium", "\\premium", "/\\premium", "/x\\..\\premium", "/premium\\x", "/%5cpremium", "/premium#", "/premium#x",
      "/premium%23", "/premium%3fx", "/premium%00", "/premium%00.css", "/premium.", "/premium%20", "/premium%", "/%c0%afpremium",
      "/%u0070remium", "/premium::$DATA", "/pre%09mium", "http://evil.example/premium", "http://evil.example/x/../premium", "/premium?", "/premium?/free",
    ]) {
      const { status } = await ask(workerd.port, target);
      assert.ok([400, 402].includes(status), `${target} was answered ${status}`);
    }
  });

  test("no_odd_verb_or_override_gets_a_priced_page", async () => {
    for (const method of ["HEAD", "OPTIONS", "TRACE", "PROPFIND", "PATCH", "MKCOL", "SEARCH", "PURGE", "get", "GETT", "X"]) {
      const { status } = await ask(workerd.port, "/premium/x", method);
      assert.ok([400, 402, 501].includes(status), `${method} was answered ${status}`);
    }
    for (const header of ["X-HTTP-Method-Override: GET", "X-HTTP-Method: GET", "X-Method-Override: get", "X-HTTP-Method-Override: GET, x", "X_HTTP_METHOD_OVERRIDE: x"]) {
      assert.equal((await ask(workerd.port, "/report", "POST", `${header}\r\nContent-Length: 0\r\n`)).status, 402, header);
    }
    for (const query of ["_method=GET", "%5Fmethod=GET", ".method=GET"]) {
      assert.equal((await ask(workerd.port, `/report?${query}`, "POST", "Content-Length: 0\r\n")).status, 402, query);
    }
    assert.equal((await ask(workerd.port, "/report", "PROPFIND")).status, 402);
  });

  test("headers_that_name_another_path_do_not_reach_the_origin", async () => {
    const names = ["X-Original-URL", "X-Rewrite-URL", "X_Original_URL", "SCRIPT_NAME", "X-Script-Name", "X-Forwarded-Path", "X.Original.URL"];
    const { status, body } = await ask(workerd.port, "/free", "GET", names.map((name) => `${name}: /premium\r\n`).join(""));
    assert.equal(status, 200);
    assert.equal(body, `GET /free HTTP/1.1\nHost: ${origin.host}`);
  });

  test("what_would_change_on_the_way_is_refused", async () => {
    for (const target of ["/a/../free", "/./free", "/a\\free", "/a/%2E%2e/free"]) {
      assert.equal((await ask(workerd.port, target)).status, 400, target);
    }
  });

  test("a_target_with_very_many_readings_is_refused", async () => {
    const { status } = await ask(workerd.port, `/${"%2525252541;\\..%2f".repeat(800)}`);
    assert.equal(status, 400);
  });
});
