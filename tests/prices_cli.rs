//! `x402-edge prices …` without wrangler: what is said, on which stream, with which exit code.

#![allow(clippy::unwrap_used, clippy::panic, clippy::type_complexity)]

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

const PAY_TO: &str = "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB";

const USDC: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";

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
    let marked = folder.prices(&["check", "-"], "\u{feff}{\"routes\": {}}");
    assert_eq!(marked.code, 1);
    assert!(marked.out.contains("byte order mark"), "{}", marked.out);
}

#[test]
fn check_says_the_version_that_the_worker_says() {
    let folder = Folder::new("version");
    let json = folder.prices(&["check", "--json", "-"], r#"{"routes":{}}"#).json();
    // printf '{"routes":{}}' | sha256sum
    assert_eq!((&json["good"], &json["version"], &json["routes"]), (&json!(true), &json!("6e84fd4ee53a"), &json!(0)));
}

#[test]
fn check_warns_of_what_the_free_plan_cannot_read() {
    let folder = Folder::new("free-plan");
    let routes = |count: usize| (0..count).map(|n| (format!("/x/{n}"), json!({"price": "$0.01"}))).collect::<Value>();
    let few = folder.prices(&["check", "-"], &document(&routes(100)));
    assert_eq!((few.code, few.out.lines().count()), (0, 1), "{}", few.out);
    let many = folder.prices(&["check", "-", "--json"], &document(&routes(2_000)));
    assert_eq!(many.code, 0);
    assert!(many.json()["warnings"][0].as_str().unwrap().contains("Free plan a request has 10 ms"), "{}", many.out);
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

/// A document with everything that a decision can depend on.
fn shop() -> String {
    json!({
        "payTo": PAY_TO, "network": "eip155:84532", "facilitators": ["https://f.example"],
        "routes": {
            "GET /articles/:slug": {
                "price": "$0.05",
                "rules": [
                    {"when": {"verifiedBot": true}, "price": "$0.10"},
                    {"when": {"country": ["DE", "AT"]}, "free": true},
                    {"when": {"header": {"X-Spy": true}}, "deny": true},
                ],
            },
            "/api/*": {"accepts": [{"price": "$0.001"}, {"price": "$0.002", "network": "base"}], "quota": {"requests": 10}},
            "/old/*": {"price": "$1", "mode": "observe"},
        },
        "hosts": {"api.shop.example": {"routes": {"/v1/*": {"price": "$2"}}}},
    })
    .to_string()
}

#[test]
fn show_is_a_table_for_people_and_json_for_programs() {
    let folder = Folder::new("show");
    folder.write("prices.json", shop());
    let table = folder.prices(&["show", "--text"], "");
    assert_eq!(table.code, 0, "{}", table.err);
    let lines: Vec<Vec<&str>> = table.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(lines.contains(&vec!["route", "host", "price"]), "{}", table.out);
    assert!(lines.contains(&vec!["/v1/*", "api.shop.example", "2", "USDC"]), "{}", table.out);
    for words in ["0.10 USDC", "free  ", "denied", "0.001 USDC or 0.002 USDC", "10 a day free per ip", "observed only"]
    {
        let words = words.replace("0.10 ", "0.1 ");
        assert!(table.out.contains(&words), "{words} is missing in {}", table.out);
    }
    let json = folder.prices(&["show"], "").json();
    assert_eq!(json["routes"].as_array().unwrap().len(), 4);
    let article =
        json["routes"].as_array().unwrap().iter().find(|route| route["route"] == "GET /articles/:slug").unwrap();
    assert_eq!(article["terms"]["accepts"][0]["amount"], "50000");
    assert_eq!(article["rules"][1], json!({"when": {"country": ["DE", "AT"]}, "terms": {"free": true}}));
    let bad = folder.prices(&["show", "-"], "{}");
    assert_eq!((bad.code, &bad.json()["problems"][0]["pointer"]), (1, &json!("")));
}

#[test]
fn explain_says_which_route_and_rule_and_why() {
    let folder = Folder::new("explain");
    folder.write("prices.json", shop());
    let article = "https://shop.example/articles/42";
    for (arguments, decision, status, route, rule) in [
        (&["GET", article][..], "priced", json!(402), json!("GET /articles/:slug"), json!(null)),
        (&[article, "--verified-bot"], "priced", json!(402), json!("GET /articles/:slug"), json!(0)),
        (&[article, "--verified-bot=false"], "priced", json!(402), json!("GET /articles/:slug"), json!(null)),
        (&[article, "--country", "de"], "free", json!(null), json!("GET /articles/:slug"), json!(1)),
        (&[article, "--header", "x-spy: 1"], "denied", json!(403), json!("GET /articles/:slug"), json!(2)),
        (&["POST", article], "unpriced", json!(null), json!(null), json!(null)),
        (&["HEAD", article], "priced", json!(402), json!("GET /articles/:slug"), json!(null)),
        (&["https://shop.example/old/x"], "observed", json!(null), json!("/old/*"), json!(null)),
        (&["https://API.shop.example./v1/x"], "priced", json!(402), json!("/v1/*"), json!(null)),
        (&["https://api.shop.example/articles/42"], "unpriced", json!(null), json!(null), json!(null)),
        (&["https://shop.example/a/../old/x", "--raw"], "refused", json!(400), json!(null), json!(null)),
        (&["https://shop.example/.x402/status"], "answered", json!(200), json!(null), json!(null)),
        (&["G€T", article], "refused", json!(400), json!(null), json!(null)),
    ] {
        let told = folder.prices(&[&["explain"], arguments].concat(), "");
        assert_eq!(told.code, 0, "{arguments:?} {}", told.err);
        let json = told.json();
        assert_eq!(
            (&json["decision"], &json["status"], &json["route"], &json["rule"]),
            (&json!(decision), &status, &route, &rule),
            "{arguments:?} {json:#}"
        );
        assert!(!json["why"].as_str().unwrap().is_empty(), "{arguments:?}");
    }
    // In every token.
    let api = folder.prices(&["explain", "https://shop.example/api/x"], "").json();
    let offers: Vec<_> =
        api["accepts"].as_array().unwrap().iter().map(|offer| (&offer["amount"], &offer["network"])).collect();
    assert_eq!(offers, [(&json!("1000"), &json!("eip155:84532")), (&json!("2000"), &json!("eip155:8453"))]);
    assert_eq!(api["quota"]["requests"], 10);

    let text = folder.prices(&["explain", "--text", article, "--verified-bot"], "").out;
    for line in [
        "402, costs 0.1 USDC",
        "rule     rules/0: when {\"verifiedBot\":true}",
        "/routes/GET ~1articles~1:slug/rules/0, says so",
    ] {
        assert!(text.contains(line), "{line} is missing in {text}");
    }
    assert!(!text.contains('\x1b'));
}

#[test]
fn explain_takes_a_path_alone_where_there_is_one_site() {
    let folder = Folder::new("explain-path");
    folder.write("prices.json", document(&json!({"/x": {"price": "$1"}})));
    assert_eq!(folder.prices(&["explain", "/x"], "").json()["decision"], "priced");
    folder.write("prices.json", shop());
    let several = folder.prices(&["explain", "/x"], "");
    assert_eq!(several.code, 2);
    assert!(several.err.contains("write the whole URL"), "{}", several.err);
    let bad = folder.prices(&["explain", "/x", "--file", "-"], "{}");
    assert_eq!(bad.code, 1);
}

#[test]
fn diff_tells_what_changes_and_what_it_earns() {
    let folder = Folder::new("diff");
    let before = document(
        &json!({"/a": {"price": "$0.01"}, "/b/*": {"price": "$1"}, "/c": {"price": "$3", "description": "C"}}),
    );
    let after =
        document(&json!({"/a": {"price": "$0.02"}, "/c": {"price": "$3", "description": "D"}, "/d": {"price": "$5"}}));
    folder.write("old.json", before);
    folder.write("prices.json", after);
    let diff = folder.prices(&["diff", "--against", "old.json", "--text"], "");
    assert_eq!(diff.code, 0, "{}", diff.err);
    for line in [
        "~ /a\n    price: 0.01 USDC → 0.02 USDC\n",
        "- /b/*: 1 USDC, now free\n",
        "~ /c\n    resource: ",
        "+ /d: 5 USDC\n",
    ] {
        assert!(diff.out.contains(line), "{line} is missing in {}", diff.out);
    }
    let pass = document(&json!({"/a": {"price": "$0.02", "pass": {"ttl": 3600}}}));
    let sold = folder.prices(&["diff", "-", "--against", "prices.json", "--text"], &pass);
    assert!(sold.out.contains("~ /a\n    pass: – → "), "{}", sold.out);
    let same = folder.prices(&["diff", "old.json", "--against", "old.json", "--text"], "");
    assert!(same.out.contains("no price changes"), "{}", same.out);

    folder.write("urls.txt", "# a comment\n1000 GET https://s.example/a\n\nhttps://s.example/b/1\nPOST https://s.example/d\n1 2 3 4\nhttps://s.example/free\n");
    let json = folder.prices(&["diff", "--against", "old.json", "--urls", "urls.txt"], "").json();
    let effect = &json["effect"];
    assert_eq!((&effect["requests"], &effect["unreadLines"]), (&json!(1003), &json!(1)));
    let usdc = |amount: &str| json!([{"ticker": "USDC", "network": "eip155:84532", "asset": USDC, "decimals": 6, "amount": amount}]);
    assert_eq!(effect["total"], json!({"before": usdc("11000000"), "after": usdc("25000000")}));
    let a = effect["routes"].as_array().unwrap().iter().find(|route| route["route"] == "/a").unwrap();
    assert_eq!(a["before"], json!({"requests": 1000, "revenue": usdc("10000000")}));
    assert_eq!(a["after"], json!({"requests": 1000, "revenue": usdc("20000000")}));
}

#[test]
fn diff_reads_access_logs_and_counts_what_was_delivered() {
    let folder = Folder::new("log");
    folder.write(
        "prices.json",
        document(&json!({"/a": {"price": "$1", "rules": [{"when": {"userAgent": "*Bot*"}, "price": "$2"}]}})),
    );
    folder.write("old.json", r#"{"routes": {}}"#);
    folder.write(
        "access.log",
        b"203.0.113.7 - - [24/Nov/2026:14:00:00 +0000] \"GET /a HTTP/1.1\" 200 5\n\
          203.0.113.7 - - [24/Nov/2026:14:00:01 +0000] \"GET /%61?x=1 HTTP/1.1\" 200 5 \"-\" \"GPTBot/1.0 \xff\"\n\
          203.0.113.7 - - [24/Nov/2026:14:00:02 +0000] \"GET /a HTTP/1.1\" 404 5 \"-\" \"curl/8\"\n\
          \x16\x03\x01 nonsense\n",
    );
    let arguments = ["diff", "--against", "old.json", "--log", "access.log", "--host", "shop.example"];
    let effect = folder.prices(&arguments, "").json()["effect"].clone();
    assert_eq!((&effect["requests"], &effect["unreadLines"]), (&json!(3), &json!(1)));
    assert_eq!(effect["total"]["before"], json!([]));
    assert_eq!(effect["total"]["after"][0]["amount"], "3000000");
}

#[test]
fn the_documentation_shows_what_the_program_says() {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/prices.md")).unwrap();
    let mut checked = 0;
    for block in page.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
        let (command, shown) = block.split_once('\n').unwrap();
        let arguments: Vec<&str> = command.strip_prefix("$ npm run -s prices -- ").unwrap().split(' ').collect();
        let output = Command::new(env!("CARGO_BIN_EXE_x402-edge"))
            .arg("prices")
            .args(arguments)
            .arg("--text")
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), shown, "{command}");
        checked += 1;
    }
    assert!(checked > 0);
    // Every command has its row, and every row its command.
    let folder = Folder::new("commands");
    let help = folder.prices(&["--help"], "").out;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut commands: Vec<&str> = listed.map(|line| line.split_whitespace().next().unwrap()).collect();
    commands.retain(|command| *command != "help");
    commands.sort_unstable();
    let table = page.split("## The tool").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows =
        table.lines().filter_map(|line| line.strip_prefix("| `")).map(|row| row.split(['`', ' ']).next().unwrap());
    let mut rows: Vec<&str> = rows.collect();
    rows.sort_unstable();
    assert_eq!(commands, rows);
}

#[test]
fn passes_are_shown_explained_compared_and_their_secret_is_named() {
    let folder = Folder::new("passes");
    let document = |passes: Value, uses: u64| {
        json!({
            "payTo": PAY_TO, "network": "eip155:84532", "facilitators": ["https://f.example"], "passes": passes,
            "routes": {
                "/articles/*": {"price": "$0.05", "pass": {"ttl": 3600, "uses": uses, "scope": ["/archive/*"]}},
                "/archive/*": {"price": "$0.01"},
            },
        })
        .to_string()
    };
    folder.write("prices.json", document(json!({}), 1));
    folder.write("next.json", document(json!({"epoch": 1, "revoked": [PAY_TO]}), 2));
    let check = folder.prices(&["check"], "");
    assert_eq!(check.code, 0);
    for words in [
        "warning: passes need the secret PASS_KEYS (npx wrangler secret put PASS_KEYS)",
        "warning: there is no publicUrl",
    ] {
        assert!(check.out.contains(words), "{words} is missing in {}", check.out);
    }
    let show = folder.prices(&["show", "--text"], "").out;
    assert!(show.contains("with a pass for 3600 s, 1 use, also for /archive/*"), "{show}");
    let text = folder.prices(&["explain", "--text", "https://a.example/articles/1"], "").out;
    assert!(text.contains("sells    a pass for 3600 s, 1 use, also for /archive/*"), "{text}");
    let json = folder.prices(&["explain", "https://a.example/archive/1"], "").json();
    assert_eq!(json["openedByPassesOf"], json!(["/articles/*"]));
    let diff = folder.prices(&["diff", "next.json", "--against", "prices.json", "--text"], "");
    for words in ["passes epoch: 0 → 1", &format!("passes revoked: – → {PAY_TO}"), "pass: {"] {
        assert!(diff.out.contains(words), "{words} is missing in {}{}", diff.out, diff.err);
    }
}

#[test]
fn what_channels_need_beside_the_document_is_told() {
    let folder = Folder::new("channels");
    let document = |claims: Value| {
        json!({
            "payTo": PAY_TO, "network": "base", "facilitators": ["https://f.example"], "claims": claims,
            "routes": {"/calls/*": {"scheme": "batch-settlement", "price": "$0.001"}},
        })
        .to_string()
    };
    folder.write("prices.json", document(json!({})));
    folder.write("next.json", document(json!({"threshold": "$5"})));
    let check = folder.prices(&["check"], "");
    assert_eq!(check.code, 0);
    for words in ["the secret RECEIVER_AUTHORIZER_KEY", "there is no rpc for eip155:8453"] {
        assert!(check.out.contains(words), "{words} is missing in {}", check.out);
    }
    let text = folder.prices(&["explain", "--text", "https://a.example/calls/1"], "").out;
    assert!(text.contains("at most 0.001 USDC"), "{text}");
    let diff = folder.prices(&["diff", "next.json", "--against", "prices.json", "--text"], "").out;
    assert!(diff.contains("threshold none → every default, idle default, threshold $5"), "{diff}");
}
