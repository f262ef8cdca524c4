//! `x402-edge prices …` without wrangler: what is said, on which stream, with which exit code.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

const PAY_TO: &str = "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB";

/// A folder of its own for a test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("x402-edge-test-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn prices(&self, arguments: &[&str], input: &str) -> Answer {
        let mut child = Command::new(env!("CARGO_BIN_EXE_x402-edge"))
            .arg("prices")
            .args(arguments)
            .current_dir(&self.0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Not every command reads it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap().into()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }
}

fn document(routes: &Value) -> String {
    json!({"payTo": PAY_TO, "network": "eip155:84532", "facilitators": ["https://f.example"], "routes": routes})
        .to_string()
}

#[test]
fn init_writes_a_document_that_check_likes() {
    let folder = Folder::new("init");
    let made = folder.prices(&["init", "--pay-to", PAY_TO], "");
    assert_eq!((made.code, made.out.as_str()), (0, ""), "{}", made.err);
    assert!(made.err.contains("prices check prices.json"), "{}", made.err);
    let checked = folder.prices(&["check"], "");
    assert_eq!(checked.code, 0, "{}", checked.out);
    assert!(checked.out.starts_with("good: prices.json, version "), "{}", checked.out);

    let again = folder.prices(&["init", "--pay-to", PAY_TO], "");
    assert_eq!(again.code, 2);
    assert!(again.err.contains("is there already") && again.err.contains("--force"), "{}", again.err);
    assert_eq!(folder.prices(&["init", "--force", "--pay-to", PAY_TO], "").code, 0);
}

#[test]
fn init_without_an_address_leaves_a_mistake_that_check_names() {
    let folder = Folder::new("placeholder");
    let made = folder.prices(&["init"], "");
    assert_eq!(made.code, 0);
    assert!(made.err.contains("write your own address for payTo"), "{}", made.err);
    let checked = folder.prices(&["check"], "");
    assert_eq!(checked.code, 1);
    assert!(checked.out.contains("prices.json:2:12: /payTo: not an address"), "{}", checked.out);
}

#[test]
fn init_takes_networks_and_facilitators_and_refuses_what_would_lose_money() {
    let folder = Folder::new("init-flags");
    let base = folder.prices(&["init", "--pay-to", PAY_TO, "--network", "base", "-"], "").json();
    assert_eq!(base["network"], "eip155:8453");
    assert_eq!(base["facilitators"], json!(["https://api.cdp.coinbase.com/platform/v2/x402"]));
    let own = ["init", "--pay-to", PAY_TO, "--network", "eip155:137", "--facilitator", "https://f.example/\"x", "-"];
    assert_eq!(folder.prices(&own, "").json()["facilitators"], json!(["https://f.example/\"x"]));
    for (arguments, told) in [
        (&["init", "--network", "eip155:137"][..], "name one with --facilitator"),
        (&["init", "--network", "solana"], "expected a CAIP-2 id"),
        (&["init", "--pay-to", "0x0000000000000000000000000000000000000000"], "zero address"),
        (&["init", "--pay-to", "0x5cbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB"], "checksum"),
    ] {
        let refused = folder.prices(arguments, "");
        assert_eq!(refused.code, 2, "{arguments:?}");
        assert!(refused.err.contains(told), "{}", refused.err);
    }
}

#[test]
fn check_tells_all_problems_with_line_and_column() {
    let folder = Folder::new("check");
    let text = format!(
        "{{\n  \"payTo\": \"{PAY_TO}\",\n  \"network\": \"base\", \"facilitators\": [\"https://f.example\"],\n  \
         \"routes\": {{\n    \"/é\": {{ \"price\": \"$0.0000001\", \"Price\": 1 }},\n    \"x\": {{ \"price\": 1 }}\n  }}\n}}\n"
    );
    folder.write("shop.json", &text);
    let told = folder.prices(&["check", "shop.json"], "");
    assert_eq!(told.code, 1);
    for line in [
        "shop.json:5:22: /routes/~1é/price: ",
        "shop.json:5:36: /routes/~1é/Price: ",
        "shop.json:6:5: /routes/x: ",
        "shop.json: 3 problems",
    ] {
        assert!(told.out.lines().any(|told| told.starts_with(line)), "{line} is missing in {}", told.out);
    }
    assert!(!told.out.contains('\x1b'), "colours in a pipe");

    let json = folder.prices(&["check", "--json", "-"], &text).json();
    assert_eq!((&json["good"], &json["file"]), (&json!(false), &json!("stdin")));
    assert_eq!(json["problems"].as_array().unwrap().len(), 3);
    assert_eq!(
        (&json["problems"][0]["pointer"], &json["problems"][0]["line"], &json["problems"][0]["column"]),
        (&json!("/routes/~1é/price"), &json!(5), &json!(22))
    );
}

#[test]
fn check_says_where_a_text_stops_being_json() {
    let folder = Folder::new("syntax");
    for (text, place) in
        [("{\n  \"a\": 1,\n}", "stdin:3:1:"), ("", "stdin:1:1:"), ("{} x", "stdin:1:4:"), ("[1,", "stdin:1:3:")]
    {
        let told = folder.prices(&["check", "-"], text);
        assert_eq!(told.code, 1, "{text}");
        assert!(told.out.starts_with(place), "{place} {}", told.out);
    }
    folder.write("latin1.json", b"{\"a\": \"caf\xe9\"}");
    let told = folder.prices(&["check", "latin1.json"], "");
    assert_eq!(told.code, 1);
    assert!(told.out.contains("not UTF-8: see byte 10"), "{}", told.out);
}

#[test]
fn check_says_the_version_that_the_worker_says() {
    let folder = Folder::new("version");
    let json = folder.prices(&["check", "--json", "-"], r#"{"routes":{}}"#).json();
    // printf '{"routes":{}}' | sha256sum
    assert_eq!((&json["good"], &json["version"], &json["routes"]), (&json!(true), &json!("6e84fd4ee53a"), &json!(0)));
}

#[test]
fn what_cannot_be_done_is_said_on_stderr_with_exit_code_2() {
    let folder = Folder::new("usage");
    for (arguments, told) in [
        (&["check"][..], "prices.json cannot be read"),
        (&["check"], "prices init"),
        (&["check", "nowhere/x.json"], "nowhere/x.json cannot be read"),
        (&["check", "--nonsense"], "unexpected argument"),
        (&["nonsense"], "unrecognized subcommand"),
        (&["push", "--local", "--remote"], "cannot be used with"),
        (&["push", "--remote", "--persist-to", "x"], "cannot be used with"),
    ] {
        let answer = folder.prices(arguments, "");
        assert_eq!((answer.code, answer.out.as_str()), (2, ""), "{arguments:?}");
        assert!(answer.err.contains(told), "{told} is missing in {}", answer.err);
    }
}

#[test]
fn a_bad_document_is_refused_before_wrangler_is_asked() {
    let folder = Folder::new("push");
    folder.write("prices.json", document(&json!({"/x": {"price": "0"}})));
    let refused = folder.prices(&["push", "--remote"], "");
    assert_eq!((refused.code, refused.out.as_str()), (1, ""));
    assert!(refused.err.contains("/routes/~1x/price"), "{}", refused.err);
}

#[test]
fn every_command_explains_itself_with_examples() {
    let folder = Folder::new("help");
    let help = folder.prices(&["--help"], "");
    assert_eq!(help.code, 0);
    let commands: Vec<&str> = help
        .out
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let help = folder.prices(&[command, "--help"], "");
        assert_eq!(help.code, 0);
        assert!(help.out.contains("Examples:\n  x402-edge prices "), "{command}: {}", help.out);
    }
}

#[test]
fn an_openapi_description_becomes_routes() {
    let folder = Folder::new("openapi");
    let paid = |amount: &str| json!({"price": {"mode": "fixed", "currency": "USD", "amount": amount}, "protocols": [{"x402": {}}]});
    let openapi = json!({
        "openapi": "3.1.0",
        "servers": [{"url": "https://api.example.com/v1"}],
        "paths": {
            "/weather/{city}": {
                "get": {"summary": "Weather in a city", "x-payment-info": paid("0.002"),
                        "responses": {"200": {"content": {"application/json": {}}}, "402": {}}},
                "post": {"responses": {"204": {}}},
                "parameters": [],
            },
            "/sweep": {"post": {"x-payment-info": {"price": {"mode": "dynamic", "min": "1", "max": "2"}}}},
        },
    });
    folder.write("openapi.json", openapi.to_string());
    let made = folder.prices(&["import", "--openapi", "openapi.json", "--pay-to", PAY_TO], "");
    assert_eq!(made.code, 0, "{}", made.err);
    assert_eq!(
        made.json()["routes"],
        json!({"GET /v1/weather/:city": {"price": "$0.002", "description": "Weather in a city", "mimeType": "application/json"}})
    );
    for told in [
        "left out: POST /weather/{city}, which has no price; it stays free",
        "left out: the price of POST /sweep, whose mode is dynamic",
    ] {
        assert!(made.err.contains(told), "{}", made.err);
    }
    let priced = ["import", "--openapi", "-", "--price", "$1", "--pay-to", PAY_TO, "--output", "prices.json"];
    assert_eq!(folder.prices(&priced, &openapi.to_string()).code, 0);
    assert!(folder.prices(&["check"], "").out.contains("3 routes"));
    assert_eq!(folder.prices(&["import", "--openapi", "-"], "openapi: 3.1.0").code, 2);
    assert_eq!(folder.prices(&["import", "--openapi", "-"], r#"{"swagger": "2.0"}"#).code, 2);
}

#[test]
fn an_official_routes_config_becomes_routes() {
    let folder = Folder::new("routes-config");
    let solana =
        json!({"scheme": "exact", "price": "$1", "network": "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp", "payTo": "x"});
    let base = json!({"scheme": "exact", "price": "$0.01", "network": "eip155:8453", "payTo": PAY_TO});
    let config = json!({
        "GET /a": {"accepts": [base, solana], "description": "A", "customPaywallHtml": "<p>"},
        "/b": {"accepts": solana},
    });
    let made = folder.prices(&["import", "--routes-config", "-", "--network", "base"], &config.to_string());
    assert_eq!(made.code, 0, "{}", made.err);
    let document = made.json();
    assert_eq!(document["routes"], json!({"GET /a": {"accepts": [base], "description": "A"}}));
    assert!(document.get("payTo").is_none(), "every offer has its own");
    for told in ["the offer of GET /a on solana:", "customPaywallHtml", "/b, which has no offer left; it stays free"] {
        assert!(made.err.contains(told), "{told} is missing in {}", made.err);
    }

    let v1 = json!({"/a": "$0.01", "POST /b": {"price": "$0.02", "network": "base", "config": {"description": "B", "discoverable": true}}});
    let made = folder.prices(&["import", "--routes-config", "-", "--pay-to", PAY_TO], &v1.to_string());
    assert_eq!(made.code, 0, "{}", made.err);
    assert_eq!(
        made.json()["routes"],
        json!({"/a": {"price": "$0.01"}, "POST /b": {"price": "$0.02", "network": "base", "description": "B"}})
    );

    // What the Worker would refuse is told, with exit code 1.
    let bad = folder.prices(&["import", "--routes-config", "-", "--pay-to", PAY_TO], r#"{"/a": "free"}"#);
    assert_eq!(bad.code, 1);
    assert!(bad.err.contains("/routes/~1a/price"), "{}", bad.err);
}
