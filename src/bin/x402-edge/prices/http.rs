//! HTTP, by the `fetch` of Node.js: it is there wherever wrangler is, and knows TLS, proxies and redirects.

use serde_json::{Value, json};

use super::program;
use crate::failure::Failure;

/// Reads one request as JSON from stdin, writes one answer. Ten seconds, four megabytes.
const SCRIPT: &str = r#"
let text = "";
for await (const chunk of process.stdin) text += chunk;
const { url, body } = JSON.parse(text);
let answer;
try {
  const init = { signal: AbortSignal.timeout(10000), headers: { accept: "application/json" } };
  if (body !== null) Object.assign(init, { method: "POST", body: JSON.stringify(body), headers: { ...init.headers, "content-type": "application/json" } });
  const response = await fetch(url, init);
  const chunks = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > 4194304) throw new Error("the answer is too long");
    chunks.push(chunk);
  }
  answer = { status: response.status, body: Buffer.concat(chunks).toString("utf8") };
} catch (error) {
  answer = { error: error.cause?.code ?? error.cause?.message ?? error.message };
}
process.stdout.write(JSON.stringify(answer));
"#;

/// Gets JSON.
pub(crate) fn get_json(url: &str) -> Result<Value, Failure> {
    ask(url, &Value::Null)
}

/// Posts JSON and reads JSON.
pub(crate) fn post_json(url: &str, body: &Value) -> Result<Value, Failure> {
    ask(url, body)
}

fn ask(url: &str, body: &Value) -> Result<Value, Failure> {
    if !(url.starts_with("https://") || url.starts_with("http://")) {
        return Err(Failure::usage(format!("{url} is no URL: write https://… or http://…")));
    }
    let request = json!({ "url": url, "body": body }).to_string();
    let arguments = ["--input-type=module", "--eval", SCRIPT];
    let output = program::run("node", &arguments, Some(&request))
        .map_err(|error| Failure::outside(format!("Node.js cannot be started: {error}")))?;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| Failure::outside(format!("Node.js failed: {}", String::from_utf8_lossy(&output.stderr).trim())))?;
    let failed = |what: &str| Failure::outside(format!("{url}: {what}"));
    if let Some(error) = answer["error"].as_str() {
        return Err(failed(error));
    }
    let status = answer["status"].as_u64().unwrap_or_default();
    let body = answer["body"].as_str().unwrap_or_default();
    match serde_json::from_str(body) {
        Ok(json) if (200..300).contains(&status) => Ok(json),
        _ => Err(failed(&format!("answered {status}{}", if status == 200 { ", but no JSON" } else { "" }))),
    }
}
