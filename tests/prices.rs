//! Price documents, good and bad. What an owner is told is part of the product, so its wording is tested.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use serde_json::{Value, json};
use x402_edge::prices::{Decision, PriceTable};

const PAY_TO: &str = "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB";
const USDC: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";

fn document(routes: &Value) -> Value {
    json!({"payTo": PAY_TO, "network": "eip155:84532", "facilitators": ["https://f.example"], "routes": routes})
}

/// The v2 offers of `/x`.
#[track_caller]
fn offers(document: &str) -> Vec<Value> {
    let table = PriceTable::parse(document).unwrap_or_else(|problems| panic!("{problems:?}"));
    let Decision::Priced(quote) = common::decide(&table, "GET", "/x") else { panic!("/x is free") };
    quote.accepts().iter().map(|offer| offer.wire().clone()).collect()
}

#[track_caller]
fn told(document: &str) -> Vec<String> {
    PriceTable::parse(document).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_price_and_the_defaults_make_a_whole_offer() {
    let offer = &offers(&document(&json!({"/x": {"price": "$0.01"}})).to_string())[0];
    assert_eq!(
        *offer,
        json!({
            "scheme": "exact", "network": "eip155:84532", "amount": "10000", "asset": USDC, "payTo": PAY_TO,
            "maxTimeoutSeconds": 300, "extra": {"name": "USDC", "version": "2"},
        })
    );
}

#[test]
fn prices_are_read_as_written() {
    for (price, amount) in [
        (r#""$2.01""#, "2010000"),
        (r#""$0.0079""#, "7900"),
        (r#""0.01""#, "10000"),
        (r#""0.01 USDC""#, "10000"),
        ("0.01", "10000"),
        ("2.01", "2010000"),
        ("0.1", "100000"),
        ("1", "1000000"),
        ("1.10", "1100000"),
        ("123456789012345678901234567890.123456", "123456789012345678901234567890123456"),
        (r#"{"asset": "0x036CbD53842c5426634e7929541eC2318f3dCF7e", "amount": "7"}"#, "7"),
        (r#"{"asset": "usdc", "amount": "7"}"#, "7"),
    ] {
        let text = document(&json!({"/x": {"price": "PRICE"}})).to_string().replace(r#""PRICE""#, price);
        assert_eq!(offers(&text)[0]["amount"], amount, "{price}");
    }
}

#[test]
fn an_official_routes_config_can_be_pasted() {
    let routes = json!({
        "GET /x": {
            "accepts": [
                {"scheme": "exact", "price": "$0.001", "network": "eip155:84532", "payTo": PAY_TO},
                {"scheme": "exact", "price": {"asset": "0x4f9f8e2f6d7c5b4a3e2d1c0b9a8f7e6d5c4b3a29", "amount": "5", "extra": {"name": "My Token", "version": "1"}},
                 "network": "eip155:8453", "payTo": PAY_TO, "maxTimeoutSeconds": 60, "extra": {"more": true}},
            ],
            "description": "Weather data", "mimeType": "application/json", "resource": "https://api.example.com/x",
            "serviceName": "Weather", "tags": ["weather"], "iconUrl": "https://api.example.com/icon.png", "extensions": {"bazaar": {"info": {}}},
        },
        "/articles/[slug]": {"accepts": {"scheme": "exact", "price": 0.5, "network": "eip155:8453", "payTo": PAY_TO}},
    });
    let text = json!({"facilitators": ["https://f.example"], "routes": routes}).to_string();
    let offers = offers(&text);
    assert_eq!(offers[1]["extra"], json!({"name": "My Token", "version": "1", "more": true}));
    assert_eq!(offers[1]["maxTimeoutSeconds"], 60);
    let single = json!({"facilitators": ["https://f.example"], "routes": {"accepts": {"scheme": "exact", "price": "$1", "network": "base", "payTo": PAY_TO}}});
    assert_eq!(self::offers(&single.to_string())[0]["network"], "eip155:8453");
}

#[test]
fn every_problem_is_told_at_once_with_its_place() {
    let text = r#"{
        "payTo": "0x5cbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "solana", "payto": "x",
        "facilitators": [], "smartWallets": "maybe", "publicUrl": "https://a.example/shop", "rpc": {"base": ["x"]},
        "routes": {
            "/a": {"price": "$0.0000001", "network": "base", "payTo": "0x0000000000000000000000000000000000000000"},
            "/b": {"price": "free", "network": "base", "payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB"},
            "/c": {"accepts": [], "price": "1"}
        }
    }"#;
    let expected = [
        "/payto: unknown key; did you mean payTo?",
        "/payTo: not an address: the mixed case does not match the EIP-55 checksum; check for a typing mistake (found \"0x5cbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB\")",
        "/network: expected an EVM network: a CAIP-2 id such as \"eip155:8453\", or a name such as \"base\" (found \"solana\")",
        "/facilitators: expected a list of at least one URL (found [])",
        "/smartWallets: expected \"refuse\" or \"defer\" (found \"maybe\")",
        "/publicUrl: publicUrl is scheme and host only, such as \"https://example.com\" (found \"https://a.example/shop\")",
        "/rpc/base: the keys of rpc are CAIP-2 ids such as \"eip155:8453\"",
        "/rpc/base/0: expected an absolute URL, https://… or http://…, in plain ASCII (found \"x\")",
        "/routes/~1a/payTo: money sent to the zero address is lost; write your own address (found \"0x0000000000000000000000000000000000000000\")",
        "/routes/~1a/price: USDC: 7 decimals, but the token has only 6 (found \"$0.0000001\")",
        "/routes/~1b/price: a price is written \"$0.01\", \"0.01\" or \"0.01 USDC\" (found \"free\")",
        "/routes/~1c/price: price belongs into the entries of accepts, where there are any",
        "/routes/~1c/accepts: accepts is empty; leave the route out of the document to make it free (found [])",
    ];
    let mut told = told(text);
    let mut expected: Vec<String> = expected.map(str::to_owned).to_vec();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}

#[test]
fn each_mistake_is_told() {
    for (routes, expected) in [
        (
            r#"{"/x": {"price": "0"}}"#,
            "/routes/~1x/price: USDC: a price cannot be zero; leave the route out of the document to make it free (found \"0\")",
        ),
        (r#"{"/x": {"price": -1}}"#, "/routes/~1x/price: a price cannot be negative (found -1)"),
        (r#"{"/x": {"price": 1e-2}}"#, "/routes/~1x/price: a price has no exponent; write the number out (found 1e-2)"),
        (
            r#"{"/x": {"price": true}}"#,
            "/routes/~1x/price: a price is a text, a number, or {asset, amount} (found true)",
        ),
        (
            r#"{"/x": {"price": "1 DOGE"}}"#,
            "/routes/~1x/price: DOGE is not built in for eip155:84532, so its decimals are unknown: declare it under tokens, or write the price as {asset, amount} in atomic units (found \"1 DOGE\")",
        ),
        (
            r#"{"/x": {"price": {"asset": "USDC"}}}"#,
            "/routes/~1x/price: a price in atomic units needs both asset and amount (found {\"asset\": \"USDC\"})",
        ),
        (
            r#"{"/x": {"price": {"asset": "USDC", "amount": "0"}}}"#,
            "/routes/~1x/price/amount: a price cannot be zero; leave the route out of the document to make it free (found \"0\")",
        ),
        (r#"{"/x": {}}"#, "/routes/~1x: price is missing: write \"$0.01\", or {asset, amount} in atomic units"),
        (
            r#"{"/x": {"price": "1", "scheme": "barter"}}"#,
            "/routes/~1x/scheme: the scheme must be \"exact\", \"upto\" or \"batch-settlement\"; others are not offered by this version (found \"barter\")",
        ),
        (
            r#"{"/x": {"price": "1", "maxTimeoutSeconds": 5}}"#,
            "/routes/~1x/maxTimeoutSeconds: expected whole seconds, 10 to 86400 (found 5)",
        ),
        (
            r#"{"/x": {"price": "1", "extra": {"assetTransferMethod": "erc7710"}}}"#,
            "/routes/~1x/extra: assetTransferMethod can only be \"eip3009\" or \"permit2\" here; leave it out",
        ),
        (
            r#"{"/x": {"price": "1", "scheme": "upto", "extra": {"assetTransferMethod": "eip3009"}}}"#,
            "/routes/~1x/extra: assetTransferMethod can only be \"permit2\" here; leave it out",
        ),
        (
            r#"{"/x": {"price": "1", "network": "eip155:4326", "extra": {"assetTransferMethod": "eip3009"}}}"#,
            "/routes/~1x/extra: assetTransferMethod can only be \"permit2\" here; leave it out",
        ),
        (
            r#"{"/x": {"price": "1", "scheme": "upto", "extra": {"facilitatorAddress": "somebody"}}}"#,
            "/routes/~1x/extra: facilitatorAddress is the address from which the facilitator settles; leave it out to have it asked for",
        ),
        (
            r#"{"/x": {"price": "1", "scheme": "batch-settlement", "withdrawDelay": 899}}"#,
            "/routes/~1x/withdrawDelay: withdrawDelay is whole seconds, 900 to 2592000: how long a payer who leaves has to wait",
        ),
        (
            r#"{"/x": {"price": "1", "scheme": "batch-settlement", "minDeposit": "$0.5"}}"#,
            "/routes/~1x/minDeposit: minDeposit is what a client should put into its channel at once, such as \"$1\": not less than the price, and below 2^128 atomic units",
        ),
        (
            r#"{"/x": {"price": "1", "scheme": "batch-settlement", "extra": {"receiverAuthorizer": "me"}}}"#,
            "/routes/~1x: receiverAuthorizer is the address whose key signs claims; leave it out to use the secret RECEIVER_AUTHORIZER_KEY, or the facilitator's",
        ),
        (
            r#"{"/x": {"price": "1", "minDeposit": "$5"}}"#,
            "/routes/~1x/minDeposit: minDeposit belongs to offers of the scheme \"batch-settlement\" (found \"$5\")",
        ),
        (r#"{"/x": {"price": "1", "price": "2"}}"#, "/routes/~1x/price: this key is written twice; keep one"),
        (r#"{"/x": {"price": "1"}, "/x": {"price": "2"}}"#, "/routes/~1x: this key is written twice; keep one"),
        (
            r#"{"/x/:a": {"price": "1"}, "/X/[b]/": {"price": "2"}}"#,
            "/routes/~1X~1[b]~1: covers the same requests as /routes/~1x~1:a; keep one",
        ),
        (r#"{"x": {"price": "1"}}"#, "/routes/x: a path begins with \"/\", or is \"*\" for every path"),
        (
            r#"{"/x?y": {"price": "1"}}"#,
            "/routes/~1x?y: a path pattern ends before \"?\" and \"#\"; price the path, not its query",
        ),
        (
            r#"{"GTE /x": {"price": "1"}}"#,
            "/routes/GTE ~1x: a route key is \"/path\" or \"METHOD /path\", the method one of GET, POST, PUT, PATCH, DELETE, OPTIONS, TRACE, QUERY, PROPFIND, REPORT, SEARCH, MKCOL, COPY, MOVE; did you mean GET?",
        ),
        (r#"{"HEAD /x": {"price": "1"}}"#, "/routes/HEAD ~1x: HEAD is priced like GET; write GET"),
        (r#"{"/x": {"price": "1", "Price": "1"}}"#, "/routes/~1x/Price: unknown key; did you mean price?"),
        (
            r#"{"/x": {"price": "1", "tags": ["a","b","c","d","e","f"]}}"#,
            "/routes/~1x/tags: at most 5 tags (found [\"a\",\"b\",\"c\",\"d\",\"e\",\"f\"])",
        ),
    ] {
        let text = document(&json!("ROUTES")).to_string().replace(r#""ROUTES""#, routes);
        assert_eq!(told(&text), [expected], "{routes}");
    }
    assert!(told("[]")[0].contains("expected an object"));
    assert!(told("{")[0].starts_with("document: the document is not JSON: EOF"));
    assert!(told(r#"{"payTo": 1}"#).iter().any(|problem| problem.contains("routes is missing")));
    let no_facilitator = json!({"payTo": PAY_TO, "network": "base", "routes": {"/x": {"price": 1}}});
    assert!(told(&no_facilitator.to_string())[0].contains("facilitators is missing"));
    let star = document(&json!({"* /x": {"price": "1"}})).to_string();
    assert_eq!(offers(&star).len(), 1);
    let huge = document(&json!({"/x": {"price": "1", "extensions": {"a": {"info": "x".repeat(9000)}}}}));
    assert!(told(&huge.to_string())[0].contains("8192 are allowed"));
    let long = document(&json!({"/x": {"price": "1", "description": "é".repeat(501)}}));
    assert!(told(&long.to_string())[0].contains("at most 500 characters"));
}

#[test]
fn the_example_documents_are_good() {
    let folder = format!("{}/examples", env!("CARGO_MANIFEST_DIR"));
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let table = PriceTable::parse(&std::fs::read_to_string(&path).unwrap());
            assert!(table.is_ok_and(|table| !table.is_empty()), "{}", path.display());
            read += 1;
        }
    }
    assert!(read > 0);
}

#[test]
fn a_pass_opens_nothing_dearer_and_its_owner_is_told_so() {
    let archive = |archive: Value| {
        let article = json!({"price": "$0.05", "pass": {"ttl": 3600, "scope": ["/archive"]}, "rules": [
            {"when": {"country": "DE"}, "price": "$0.04"}, {"when": {"country": "UA"}, "free": true},
        ]});
        let mut document = document(&json!({"/article": article, "/archive": archive}));
        document["rpc"] = json!({});
        PriceTable::parse(&document.to_string()).map(drop).map_err(|problems| problems[0].to_string())
    };
    let dearer = |price: &str, least: &str| {
        Err(format!(
            "/routes/~1article/pass/scope/0: a pass must not open what is dearer: that route costs up to {price} atomic \
             units of {USDC} on eip155:84532, this pass as little as {least} (found /archive)"
        ))
    };
    assert_eq!(archive(json!({"price": "$0.04"})), Ok(()));
    assert_eq!(archive(json!({"free": true})), Ok(()));
    assert_eq!(archive(json!({"price": "$0.045"})), dearer("45000", "40000"));
    assert_eq!(
        archive(json!({"price": "$0.01", "rules": [{"when": {"asn": 1}, "price": "$0.05"}]})),
        dearer("50000", "40000")
    );
    assert_eq!(
        archive(json!({"price": "$9", "rules": [{"when": {"asn": 1}, "price": "$0.01"}]})),
        dearer("9000000", "40000")
    );
    assert_eq!(
        archive(json!({"accepts": [{"price": "$0.04"}, {"price": "$9", "network": "base"}]})),
        Ok(()),
        "one is enough"
    );
    let other = archive(json!({"price": "$0.04", "network": "base"})).unwrap_err();
    assert!(other.contains("cannot be paid in every token that buys this pass"), "{other}");
}

#[test]
fn what_is_wrong_with_a_pass_is_told() {
    let told_of = |pass: Value, more: Value| {
        let mut route = json!({"price": "$1", "pass": pass});
        route.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        told(&document(&json!({"/x": route, "/y": {"price": "$1"}})).to_string())
    };
    let none = || json!({});
    for (pass, expected) in [
        (
            json!({}),
            "/routes/~1x/pass: ttl is missing: for how many seconds a pass is good, such as {\"ttl\": 86400} for a day",
        ),
        (json!({"ttl": 59}), "/routes/~1x/pass/ttl: expected a whole number of seconds, 60 to 31536000 (found 59)"),
        (
            json!({"ttl": "1d"}),
            "/routes/~1x/pass/ttl: expected a whole number of seconds, 60 to 31536000 (found \"1d\")",
        ),
        (
            json!({"ttl": 60, "uses": 0}),
            "/routes/~1x/pass/uses: expected a whole number of uses, 1 to 1000000 (found 0)",
        ),
        (
            json!({"ttl": 60, "for": "path", "scope": ["/y"]}),
            "/routes/~1x/pass/scope: a pass for one path opens nothing else; leave scope or for out",
        ),
        (json!({"ttl": 60, "use": 1}), "/routes/~1x/pass/use: unknown key; did you mean uses?"),
        (
            json!({"ttl": 60, "scope": ["/x"]}),
            "/routes/~1x/pass/scope/0: a pass opens its own route anyway; leave it out (found \"/x\")",
        ),
        (
            json!({"ttl": 60, "scope": ["/y", "/y"]}),
            "/routes/~1x/pass/scope/1: this route stands here twice (found \"/y\")",
        ),
        (
            json!({"ttl": 60, "scope": ["/Y/"]}),
            "/routes/~1x/pass/scope/0: there is no such route; did you mean /y? (found /Y/)",
        ),
        (
            json!({"ttl": 60, "scope": ["/elsewhere"]}),
            "/routes/~1x/pass/scope/0: there is no such route; write a key of routes of the same host, letter by letter (found /elsewhere)",
        ),
    ] {
        assert_eq!(told_of(pass, none()), [expected]);
    }
    let free = told(&document(&json!({"/x": {"free": true, "pass": {"ttl": 60}}})).to_string());
    assert_eq!(free, ["/routes/~1x/pass: pass says nothing here: this route never asks for money"]);
    let long = format!("/{}", "x".repeat(512));
    let long = told(&document(&json!({long: {"price": "$1", "pass": {"ttl": 60}}})).to_string());
    assert!(long[0].ends_with("a route that sells passes has a key of at most 512 bytes"), "{long:?}");
    let mut document = document(&json!({}));
    document["passes"] = json!({"revoked": ["0x12", "8b2e", 1], "epoch": -1, "notBefore": 5});
    assert_eq!(
        told(&document.to_string()),
        [
            "/passes/notBefore: unknown key; allowed are revoked, epoch",
            "/passes/epoch: expected a whole number, 0 to 1000000000: passes sold in an earlier epoch are void (found -1)",
            "/passes/revoked/0: not a payer's address: expected 0x and 40 hexadecimal digits (found \"0x12\")",
            "/passes/revoked/1: expected a payer's address (0x…), or the id of a pass or of its payment (32 or 64 hexadecimal digits) (found \"8b2e\")",
            "/passes/revoked/2: expected a text (found 1)",
        ]
    );
}

#[test]
fn what_is_wrong_with_an_exposure_is_told() {
    let route = |keys: &Value| {
        let mut route = json!({"price": "$0.01", "settle": "background"});
        route.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        document(&json!({"/x": route})).to_string()
    };
    let max = |payer: &str, route: &str| json!({"maxExposure": {"payer": payer, "route": route}});
    assert!(PriceTable::parse(&route(&max("$0.01", "0.01"))).is_ok());
    for (keys, expected) in [
        (
            json!({}),
            r#"/routes/~1x/settle: maxExposure is missing: write how much may leave unpaid, such as "maxExposure": {"payer": "$0.10", "route": "$5"} (found "background")"#,
        ),
        (
            json!({"maxExposure": {"payer": "$1"}}),
            r#"/routes/~1x/maxExposure: route is missing: write how much may be owed, such as {"payer": "$0.10", "route": "$5"} (found {"payer":"$1"})"#,
        ),
        (
            max("$0.009", "$1"),
            r#"/routes/~1x/maxExposure: payer is less than the price, 0.01 USDC: nothing would ever leave before it is paid (found {"payer":"$0.009","route":"$1"})"#,
        ),
        (
            max("$1", "$0.5"),
            r#"/routes/~1x/maxExposure: route is for all payers together: it cannot be less than payer (found {"payer":"$1","route":"$0.5"})"#,
        ),
        (
            max("1 USDC", "$5"),
            r#"/routes/~1x/maxExposure/payer: the limit holds in each of the route's tokens: leave the ticker out (found "1 USDC")"#,
        ),
        (
            max("$0.0123456", "$5"),
            r#"/routes/~1x/maxExposure: USDC has 6 decimals only (found {"payer":"$0.0123456","route":"$5"})"#,
        ),
    ] {
        let told = told(&route(&keys));
        assert!(told.iter().any(|told| told == expected), "{told:#?}");
    }
    let mut without = json!({"price": "$0.01"});
    without["maxExposure"] = json!({"payer": 1, "route": 5});
    let told = told(&document(&json!({"/x": without})).to_string());
    assert_eq!(
        told,
        [
            r#"/routes/~1x/maxExposure: maxExposure is for "settle": "background", and for usage of bytes or tokens: else nothing leaves before it is paid"#
        ]
    );
}

#[test]
fn what_is_wrong_with_a_usage_is_told() {
    let told_of = |usage: Value, more: Value| {
        let mut route = json!({"scheme": "upto", "price": "$1", "usage": usage});
        route.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        told(&document(&json!({"/x": route})).to_string())
    };
    let none = || json!({});
    let max = || json!({"maxExposure": {"payer": 1, "route": 5}});
    let exact = || json!({"scheme": "exact"});
    for (usage, more, expected) in [
        (
            json!({"header": "X-Units", "bytes": 1}),
            none(),
            r#"/routes/~1x/usage: usage counts one thing: {"header": "X-Units", "price": "$0.01"}, {"bytes": "$0.10"} for a million, or {"tokens": {"input": "$3", "output": "$15"}} for a million (found {"bytes":1,"header":"X-Units"})"#,
        ),
        (
            json!({"header": "X-Units"}),
            none(),
            r#"/routes/~1x/usage: price is missing: what one unit of the header costs, such as "$0.01" (found {"header":"X-Units"})"#,
        ),
        (
            json!({"header": "X Units", "price": 1}),
            none(),
            r#"/routes/~1x/usage/header: not the name of a header (found "X Units")"#,
        ),
        (
            json!({"bytes": "$0.10"}),
            none(),
            r#"/routes/~1x/usage: maxExposure is missing: write how much may leave unpaid, such as "maxExposure": {"payer": "$0.10", "route": "$5"} (found {"bytes":"$0.10"})"#,
        ),
        (
            json!({"tokens": {"input": "$3"}}),
            max(),
            r#"/routes/~1x/usage/tokens: output is missing: what a million of these tokens cost, such as "$3" (found {"input":"$3"})"#,
        ),
        (
            json!({"bytes": "$0.0000001", "per": 1}),
            max(),
            r#"/routes/~1x/usage: a token of this route cannot express these prices: its decimals are not known, or too few; use a larger per (found {"bytes":"$0.0000001","per":1})"#,
        ),
        (
            json!({"bytes": "1 USDC"}),
            max(),
            r#"/routes/~1x/usage/bytes: the price holds in each of the route's tokens: leave the ticker out (found "1 USDC")"#,
        ),
        (
            json!({"header": "X-Units", "price": 1, "per": 0}),
            none(),
            "/routes/~1x/usage/per: per how many: expected a whole number, 1 to 1000000000 (found 0)",
        ),
        (
            json!({"header": "X-Units", "price": 1}),
            exact(),
            r#"/routes/~1x/usage: usage is for "scheme": "upto" or "batch-settlement": an exact price is fixed (found {"header":"X-Units","price":1})"#,
        ),
    ] {
        let told = told_of(usage, more);
        assert!(told.iter().any(|told| told == expected), "{expected}\n{told:#?}");
    }
}
