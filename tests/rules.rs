//! Rules, hosts, tokens, shares of clients: what a request costs, and who says so.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::ask;
use proptest::prelude::*;
use serde_json::{Value, json};
use x402_edge::{
    client::Client,
    prices::{Decision, PriceTable, Quote, Terms},
};

const PAY_TO: &str = "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB";

fn with(more: &Value) -> PriceTable {
    let mut document = json!({"payTo": PAY_TO, "network": "base-sepolia", "facilitators": ["https://f.example"]});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    PriceTable::parse(&document.to_string()).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn rules(rules: &Value) -> PriceTable {
    with(&json!({"routes": {"/x": {"price": "$1", "rules": rules}}}))
}

#[track_caller]
fn told(more: &Value) -> Vec<String> {
    let mut document = json!({"payTo": PAY_TO, "network": "base-sepolia", "facilitators": ["https://f.example"]});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    PriceTable::parse(&document.to_string()).unwrap_err().iter().map(ToString::to_string).collect()
}

fn quoted(quote: &Quote<'_>) -> String {
    let who = quote.rule.map_or_else(String::new, |rule| format!(" by rule {rule}"));
    let what = match quote.terms {
        Terms::Free => "free".to_owned(),
        Terms::Denied => "denied".to_owned(),
        Terms::Offers(offers) => offers[0].amount().to_string(),
    };
    format!("{what}{who}")
}

fn say(decision: &Decision<'_>) -> String {
    match decision {
        Decision::Unpriced => "unpriced".to_owned(),
        Decision::Free(quote) | Decision::Priced(quote) | Decision::Denied(quote) => quoted(quote),
        Decision::Observed(quote) => format!("observed {}", quoted(quote)),
        Decision::OutsideRollout(quote) => format!("outside {}", quoted(quote)),
        Decision::Ambiguous(why) => format!("{why:?}"),
    }
}

fn at(table: &PriceTable, url: &str, headers: &[(&str, &str)]) -> String {
    say(&ask(table, "GET", url, headers, &Client::default()))
}

fn from(table: &PriceTable, client: &Client) -> String {
    say(&ask(table, "GET", "https://a.example/x", &[], client))
}

fn somebody() -> Client {
    Client {
        country: Some("DE".to_owned()),
        continent: Some("EU".to_owned()),
        asn: Some(64_500),
        ip: Some("203.0.113.7".parse().unwrap()),
        bot_score: Some(30),
        verified_bot: Some(false),
    }
}

#[test]
fn each_property_of_a_client_is_compared() {
    for (when, other) in [
        (json!({"country": "DE"}), json!({"country": "FR"})),
        (json!({"country": ["FR", "DE"]}), json!({"country": ["FR", "US"]})),
        (json!({"continent": "EU"}), json!({"continent": "NA"})),
        (json!({"asn": 64500}), json!({"asn": [64501, 13335]})),
        (json!({"ip": "203.0.113.0/24"}), json!({"ip": "2001:db8::/32"})),
        (json!({"ip": ["2001:db8::/32", "203.0.113.7"]}), json!({"ip": "203.0.113.8"})),
        (json!({"botScore": {"max": 30}}), json!({"botScore": {"max": 29}})),
        (json!({"botScore": [1, 30]}), json!({"botScore": {"min": 31, "max": 99}})),
        (json!({"verifiedBot": false}), json!({"verifiedBot": true})),
        (json!({"country": "DE", "botScore": {"min": 30}}), json!({"country": "DE", "botScore": {"min": 31}})),
    ] {
        let table = rules(&json!([{"when": other, "deny": true}, {"when": when, "free": true}]));
        assert_eq!(from(&table, &somebody()), "free by rule 1", "{when}");
        assert_eq!(from(&table, &Client::default()), "1000000", "what is absent never matches: {when}");
    }
}

#[test]
fn the_first_rule_that_holds_says_the_terms() {
    let table = rules(&json!([
        {"when": {"country": "DE"}, "price": "$2"},
        {"when": {"continent": "EU"}, "accepts": [{"price": "$3"}, {"price": "$4", "network": "base"}]},
        {"when": {}, "deny": true},
    ]));
    assert_eq!(from(&table, &somebody()), "2000000 by rule 0");
    let french = Client { country: Some("FR".to_owned()), ..somebody() };
    assert_eq!(from(&table, &french), "3000000 by rule 1");
    assert_eq!(from(&table, &Client::default()), "denied by rule 2");
}

#[test]
fn texts_are_compared_with_stars() {
    let table = rules(&json!([
        {"when": {"userAgent": ["*GPTBot*", "curl/*"]}, "price": "$2"},
        {"when": {"header": {"X-Plan": ["trial", "edu-*"]}}, "free": true},
        {"when": {"header": {"X-Partner": true}, "query": {"ref": "p*"}}, "price": "$0.5"},
        {"when": {"query": {"format": "pdf"}}, "price": "$5"},
    ]));
    let url = "https://a.example/x";
    for (target, headers, expected) in [
        (url, &[("User-Agent", "Mozilla/5.0; compatible; gptbot/1.1")][..], "2000000 by rule 0"),
        (url, &[("user-agent", "curl/8")], "2000000 by rule 0"),
        (url, &[("user-agent", "xcurl/8")], "1000000"),
        (url, &[("x-plan", "trial")], "free by rule 1"),
        (url, &[("x-plan", "edu-berlin")], "free by rule 1"),
        (url, &[("x-plan", "trial2")], "1000000"),
        ("https://a.example/x?ref=p1", &[("x-partner", "")], "500000 by rule 2"),
        ("https://a.example/x?ref=q", &[("x-partner", "1")], "1000000"),
        ("https://a.example/x?ref=p1", &[], "1000000"),
        ("https://a.example/x?a=b&format=%70df", &[], "5000000 by rule 3"),
        ("https://a.example/x?format=html", &[], "1000000"),
    ] {
        assert_eq!(at(&table, target, headers), expected, "{target} {headers:?}");
    }
}

/// Requests that one server reads like this and the next like that.
#[test]
fn a_header_or_parameter_that_can_be_read_in_two_ways_never_makes_it_cheaper() {
    let free = rules(&json!([
        {"when": {"header": {"X-Plan": "trial"}}, "free": true},
        {"when": {"query": {"plan": "trial"}}, "free": true},
    ]));
    let url = "https://a.example/x";
    for headers in [
        &[("X-Plan", "trial"), ("X-Plan", "full")][..],
        &[("X-Plan", "full"), ("x-plan", "trial")],
        &[("X-Plan", "trial"), ("X_Plan", "full")],
        &[("X_Plan", "trial")],
        &[("X-Plan", "trial, full")],
        &[("X-Plan", "Trial")],
    ] {
        assert_eq!(at(&free, url, headers), "1000000", "{headers:?}");
    }
    for query in [
        "plan=trial&plan=full",
        "plan=full&plan=trial",
        "plan=trial&PLAN=full",
        "plan=trial&plan[]=full",
        "plan=trial;plan=full",
        "plan=full;plan=trial",
        "Plan=trial",
        "plan=TRIAL",
        "plan[]=trial",
        "plan=trial%00",
    ] {
        assert_eq!(at(&free, &format!("{url}?{query}"), &[]), "1000000", "{query}");
    }
    for query in ["plan=trial", "pl%61n=%74rial", "plan=trial&plan=trial", "other=full&plan=trial"] {
        assert_eq!(at(&free, &format!("{url}?{query}"), &[]), "free by rule 1", "{query}");
    }

    // A dearer rule cannot be slipped past either: two prices are none.
    let dear = rules(&json!([
        {"when": {"header": {"X-Tier": "gold"}}, "price": "$9"},
        {"when": {"query": {"format": "pdf"}}, "price": "$5"},
        {"when": {"query": {"secret": true}}, "deny": true},
    ]));
    for (target, headers) in [
        (url.to_owned(), &[("X-Tier", "gold"), ("X-Tier", "x")][..]),
        (url.to_owned(), &[("X_Tier", "gold")]),
        (format!("{url}?format=html&format=pdf"), &[]),
        (format!("{url}?Format=pdf"), &[]),
        (format!("{url}?format=PDF"), &[]),
        (format!("{url}?x=1;format=pdf"), &[]),
        (format!("{url}?{}format=pdf", "a&".repeat(300)), &[]),
    ] {
        let said = at(&dear, &target, headers);
        assert!(said == "Rules" || said == "denied by rule 2", "{target} {headers:?}: {said}");
    }
    assert_eq!(at(&dear, &format!("{url}?SECRET"), &[]), "denied by rule 2");
    assert_eq!(at(&dear, &format!("{url}?q=1"), &[("Accept", "a, b")]), "1000000");
}

proptest! {
    #[test]
    fn no_query_is_cheaper_than_its_worst_parameter(
        pairs in prop::collection::vec((
            prop::sample::select(vec!["plan", "Plan", "pl%61n", "plan[]", "plan[a]", " plan", "x"]),
            prop::sample::select(vec!["trial", "full", "", "TRIAL", "%74rial", "trial;plan=full"]),
        ), 0..5),
        between in prop::sample::select(vec!["&", ";"]),
    ) {
        let table = rules(&json!([{"when": {"query": {"plan": "trial"}}, "free": true}]));
        let query: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let said = at(&table, &format!("https://a.example/x?{}", query.join(between)), &[]);
        let honest = !pairs.is_empty()
            && pairs.iter().any(|(name, _)| *name != "x")
            && !pairs.iter().any(|(_, value)| value.contains(';'))
            && pairs.iter().filter(|(name, _)| *name != "x").all(|(name, value)| {
                ["plan", "pl%61n"].contains(name) && ["trial", "%74rial"].contains(value)
            })
            && (between == "&" || pairs.len() == 1);
        prop_assert_eq!(said == "free by rule 0", honest, "{}: {}", query.join(between), said);
    }

    #[test]
    fn hostile_headers_and_queries_never_make_it_panic(query in "\\PC{0,80}", value in "\\PC{0,80}", name in "[A-Za-z_.-]{1,8}") {
        let table = rules(&json!([
            {"when": {"header": {"X-A": "*a*", "b": true}, "query": {"a": ["x*", "*"], "[": true}}, "free": true},
        ]));
        let _ = at(&table, &format!("https://a.example/x?{query}"), &[(&name, &value), ("X-A", &value), ("b", &value)]);
    }
}

#[test]
fn a_free_or_denied_route_is_an_exception_under_a_wildcard() {
    let table = with(&json!({"routes": {
        "/p/*": {"price": "$1"}, "/p/preview": {"free": true}, "/p/secret/*": {"deny": true},
    }}));
    assert_eq!(at(&table, "https://a.example/p/a", &[]), "1000000");
    assert_eq!(at(&table, "https://a.example/p/preview", &[]), "free");
    assert_eq!(at(&table, "https://a.example/p/secret/a", &[]), "denied");
    assert_eq!(at(&table, "https://a.example/q", &[]), "unpriced");
    // A spelling that is free to one server and priced to the next is priced.
    assert_eq!(at(&table, "https://a.example/p/x/../preview", &[]), "1000000");
    assert_eq!(at(&table, "https://a.example/p/preview%2f..%2fa", &[]), "1000000");
    assert_eq!(at(&table, "https://a.example/p/secret%2f..%2fa", &[]), "denied");
}

#[test]
fn a_host_is_chosen_by_name_whatever_its_spelling() {
    let site = |price: &str| json!({"routes": {"/x": {"price": price}}});
    let table = with(&json!({
        "routes": {"/x": {"price": "$1"}, "/y": {"price": "$1"}},
        "hosts": {"B.example": site("$2"), "*.b.example": site("$3"), "*.deep.b.example": site("$4")},
    }));
    for (host, expected) in [
        ("a.example", "1000000"),
        ("b.example", "2000000"),
        ("B.EXAMPLE:8443", "2000000"),
        ("b.example.", "2000000"),
        ("b.example.:443", "2000000"),
        ("www.b.example", "3000000"),
        ("x.y.b.example", "3000000"),
        ("x.deep.b.example", "4000000"),
        ("notb.example", "1000000"),
    ] {
        assert_eq!(at(&table, &format!("https://{host}/x"), &[]), expected, "{host}");
    }
    assert_eq!(at(&table, "https://b.example/y", &[]), "unpriced", "a named host has its own routes only");
    assert_eq!(at(&table, "https://a.example/y", &[]), "1000000");
}

#[test]
fn another_name_of_a_site_is_no_way_round_its_prices() {
    let hosts = json!({"a.example": {"routes": {"/x": {"price": "$1"}}}});
    let table = with(&json!({"hosts": hosts}));
    for host in ["x402-edge.me.workers.dev", "203.0.113.7", "aa.example", "[::1]:8787"] {
        assert_eq!(at(&table, &format!("https://{host}/x"), &[]), "Host", "{host}");
        assert_eq!(at(&table, &format!("https://{host}/free"), &[]), "unpriced", "{host}");
    }
    // Unless the owner says so.
    let open = with(&json!({"hosts": hosts, "routes": {}}));
    assert_eq!(at(&open, "https://203.0.113.7/x", &[]), "unpriced");
    assert_eq!(at(&open, "https://a.example/x", &[]), "1000000");
}

#[test]
fn a_host_has_its_own_defaults() {
    let other = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
    let table = with(&json!({
        "mode": "observe",
        "hosts": {"a.example": {"payTo": other, "network": "base", "maxTimeoutSeconds": 60, "publicUrl": "https://A.example",
            "mode": "charge", "routes": {"/x": {"price": "$1"}, "/o": {"price": "$1", "mode": "observe"}}}},
        "routes": {"/x": {"price": "$1"}},
    }));
    let client = Client::default();
    let Decision::Priced(quote) = ask(&table, "GET", "https://a.example/x", &[], &client) else { panic!() };
    let offer = &quote.accepts()[0];
    assert_eq!(
        (offer.pay_to().to_string().as_str(), offer.network().chain_id(), offer.max_timeout_seconds()),
        (other, 8453, 60)
    );
    assert_eq!(quote.route.host(), Some("a.example"));
    assert_eq!(table.site("a.example").unwrap().public_url(), Some("https://A.example"));
    assert_eq!(at(&table, "https://a.example/o", &[]), "observed 1000000");
    assert_eq!(at(&table, "https://b.example/x", &[]), "observed 1000000");
}

#[test]
fn observing_and_shares_never_hurt_anybody() {
    let table = with(&json!({"mode": "observe", "routes": {
        "/x": {"price": "$1", "rules": [{"when": {"country": "DE"}, "deny": true}, {"when": {"query": {"a": "1"}}, "price": "$2"}]},
    }}));
    assert_eq!(from(&table, &somebody()), "observed denied by rule 0");
    assert_eq!(at(&table, "https://a.example/x?a=1&a=2", &[]), "observed 2000000 by rule 1");
    assert_eq!(at(&table, &format!("https://a.example/{}", "%25".repeat(4000)), &[]), "unpriced");

    let table = with(&json!({"rollout": 0, "routes": {
        "/x": {"price": "$1", "rules": [{"when": {"country": "DE"}, "deny": true}]}, "/y": {"price": "$1", "rollout": 1},
    }}));
    let client = Client { ip: Some("203.0.113.7".parse().unwrap()), ..Client::default() };
    assert_eq!(from(&table, &client), "outside 1000000");
    assert_eq!(from(&table, &somebody()), "denied by rule 0", "a share is of those who pay");
    assert_eq!(from(&table, &Client::default()), "1000000", "without an address there is no share");
    assert_eq!(say(&ask(&table, "GET", "https://a.example/y", &[], &client)), "1000000");
}

#[test]
fn declared_networks_and_tokens_can_be_priced_in_dollars() {
    let kite = "0x7aB6f3ed87C42eF0aDb67Ed95090f8bF5240149e";
    let table = with(&json!({
        "networks": {"eip155:2366": {"name": "kite-ai", "rpc": ["https://rpc.kite.example"]}},
        "tokens": {
            "kite-ai": {"USDC.e": {"address": kite, "decimals": 18, "name": "Bridged USDC", "version": "2"}},
            "eip155:84532": {"TEST": {"address": "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC", "decimals": 2, "name": "Test", "version": "1"}},
        },
        "routes": {
            "/x": {"accepts": [
                {"price": "$0.01", "network": "kite-ai"}, {"price": "0.02 usdc.e", "network": "eip155:2366"},
                {"price": "$0.01", "network": "peaq"}, {"price": "$0.01"}, {"price": "0.01 TEST"}, {"price": "0.02", "asset": "TEST"},
            ]},
        },
    }));
    let client = Client::default();
    let Decision::Priced(quote) = ask(&table, "GET", "https://a.example/x", &[], &client) else { panic!() };
    let offers: Vec<String> = quote
        .accepts()
        .iter()
        .map(|offer| format!("{} {} {}", offer.network(), offer.amount(), offer.extra("name").unwrap()))
        .collect();
    assert_eq!(
        offers,
        [
            "eip155:2366 10000000000000000 Bridged USDC",
            "eip155:2366 20000000000000000 Bridged USDC",
            "eip155:3338 10000 USDC",
            "eip155:84532 10000 USDC",
            "eip155:84532 1 Test",
            "eip155:84532 2 Test",
        ]
    );
    let network = quote.accepts()[0].network();
    assert_eq!(table.rpc(network), ["https://rpc.kite.example"]);
    assert_eq!(table.ticker_and_decimals(network, kite.parse().unwrap()), Some(("USDC.e", 18)));
}

#[test]
fn each_mistake_in_a_rule_is_told_with_its_place() {
    for (rule, expected) in [
        (
            json!({"free": true}),
            "/routes/~1x/rules/0: when is missing: what a request must be for this rule, such as {\"verifiedBot\": true}",
        ),
        (
            json!({"when": {"country": "DE"}}),
            "/routes/~1x/rules/0: a rule says one of \"free\": true, \"price\", \"accepts\" or \"deny\": true",
        ),
        (
            json!({"when": {"country": "DE"}, "free": false}),
            "/routes/~1x/rules/0/free: can only be true; leave the key out otherwise (found false)",
        ),
        (
            json!({"when": {"country": "DE"}, "free": true, "price": "1"}),
            "/routes/~1x/rules/0/free: free stands alone: leave price out",
        ),
        (
            json!({"when": {"country": "DE"}, "deny": true, "free": true}),
            "/routes/~1x/rules/0/free: free stands alone: leave deny out",
        ),
        (
            json!({"when": {"contry": "DE"}, "free": true}),
            "/routes/~1x/rules/0/when/contry: unknown key; did you mean country?",
        ),
        (
            json!({"when": {"country": "de"}, "free": true}),
            "/routes/~1x/rules/0/when/country: countries are written in capitals; did you mean \"DE\"? (found \"de\")",
        ),
        (
            json!({"when": {"country": "Germany"}, "free": true}),
            "/routes/~1x/rules/0/when/country: expected an ISO 3166-1 code such as \"DE\"; T1 is Tor (found \"Germany\")",
        ),
        (
            json!({"when": {"country": []}, "free": true}),
            "/routes/~1x/rules/0/when/country: expected one value, or a list of 1 to 1000 (found [])",
        ),
        (
            json!({"when": {"continent": "XX"}, "free": true}),
            "/routes/~1x/rules/0/when/continent: expected \"AF\" or \"AN\" or \"AS\" or \"EU\" or \"NA\" or \"OC\" or \"SA\" (found \"XX\")",
        ),
        (
            json!({"when": {"asn": "13335"}, "free": true}),
            "/routes/~1x/rules/0/when/asn: expected the number of an autonomous system, such as 13335 (found \"13335\")",
        ),
        (
            json!({"when": {"ip": ["10.0.0.1/8"]}, "free": true}),
            "/routes/~1x/rules/0/when/ip/0: the range has bits behind its prefix; its first address is 10.0.0.0 (found \"10.0.0.1/8\")",
        ),
        (
            json!({"when": {"botScore": {"min": 50, "max": 5}}, "free": true}),
            "/routes/~1x/rules/0/when/botScore: min is greater than max: nothing matches (found {\"max\":5,\"min\":50})",
        ),
        (
            json!({"when": {"botScore": 0}, "free": true}),
            "/routes/~1x/rules/0/when/botScore: expected a score, 1 (a bot) to 99 (a person), or {\"min\": 1, \"max\": 29} of which one may be left out (found 0)",
        ),
        (
            json!({"when": {"verifiedBot": "yes"}, "free": true}),
            "/routes/~1x/rules/0/when/verifiedBot: expected true or false (found \"yes\")",
        ),
        (
            json!({"when": {"header": {"X Y": true}}, "free": true}),
            "/routes/~1x/rules/0/when/header/X Y: a header's name has letters, digits and hyphens",
        ),
        (
            json!({"when": {"query": {"a": false}}, "free": true}),
            "/routes/~1x/rules/0/when/query/a: an absent value never matches; write the rule for those that have it, with true or with values (found false)",
        ),
        (
            json!({"when": {"query": {"a": ""}}, "free": true}),
            "/routes/~1x/rules/0/when/query/a: an empty text matches nothing that is sent; write true for any value (found \"\")",
        ),
        (
            json!({"when": {"query": {}}, "free": true}),
            "/routes/~1x/rules/0/when/query: expected at least one name, such as {\"format\": \"pdf\"} (found {})",
        ),
        (
            json!({"when": {"asn": 1}, "price": "$0.0000001"}),
            "/routes/~1x/rules/0/price: USDC: 7 decimals, but the token has only 6 (found \"$0.0000001\")",
        ),
    ] {
        assert_eq!(told(&json!({"routes": {"/x": {"price": "1", "rules": [rule]}}})), [expected], "{rule}");
    }
    for (rules, expected) in [
        (
            json!([{"when": {}, "free": true}, {"when": {"asn": 1}, "deny": true}]),
            "/routes/~1x/rules/0: an empty when matches every request, so the rules after this one never count; put it last",
        ),
        (
            json!([{"when": {"asn": 1, "ip": "::1"}, "free": true}, {"when": {"ip": "::1", "asn": 1}, "deny": true}]),
            "/routes/~1x/rules/1: rule 0 has the same when and comes first, so this one never counts",
        ),
        (json!({}), "/routes/~1x/rules: expected a list (found {})"),
    ] {
        assert_eq!(told(&json!({"routes": {"/x": {"price": "1", "rules": rules}}})), [expected], "{rules}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn each_other_mistake_is_told_with_its_place() {
    let token = |more: &Value| {
        let mut token = json!({"address": "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC", "decimals": 6, "name": "T", "version": "1"});
        token.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        token
    };
    let usdc = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
    let one = json!({"/x": {"price": "1"}});
    for (more, expected) in [
        (
            json!({"routes": {"/x": {"price": "1", "mode": "observ"}}}),
            "/routes/~1x/mode: expected \"charge\" or \"observe\"; did you mean \"observe\"? (found \"observ\")",
        ),
        (
            json!({"routes": {"/x": {"price": "1", "rollout": "0.1"}}}),
            "/routes/~1x/rollout: expected a share from 0 to 1 with at most 6 decimals, such as 0.1 for a tenth (found \"0.1\")",
        ),
        (
            json!({"routes": {"/x": {"price": "1", "quota": {"requests": 1, "pre": "ip"}}}}),
            "/routes/~1x/quota/pre: unknown key; did you mean per?",
        ),
        (
            json!({"routes": {"/x": {"price": "1", "quota": {"requests": 0}}}}),
            "/routes/~1x/quota/requests: expected a whole number, 1 to 1000000 (found 0)",
        ),
        (
            json!({"routes": {"/x": {"price": "1", "quota": {"requests": 5, "total": 4}}}}),
            "/routes/~1x/quota: total is for all clients together: it cannot be less than requests (found {\"requests\":5,\"total\":4})",
        ),
        (
            json!({"routes": {"/x": {"price": "1", "quota": {"requests": 5, "per": "day"}}}}),
            "/routes/~1x/quota/per: expected \"ip\" or \"verifiedBot\" or \"payer\" (found \"day\")",
        ),
        (
            json!({"routes": {"/x": {"price": "1", "challenge": 401}}}),
            "/routes/~1x/challenge: expected a text (found 401)",
        ),
        (
            json!({"routes": {"/x": {"price": "1", "challenge": "403"}}}),
            "/routes/~1x/challenge: expected \"401\" (found \"403\")",
        ),
        (
            json!({"routes": {"/x": {"free": true, "challenge": "401"}}}),
            "/routes/~1x/challenge: challenge says nothing here: this route never asks for money",
        ),
        (
            json!({"routes": {"/x": {"price": "1", "challenge": "401", "quota": {"requests": 1}}}}),
            "/routes/~1x/quota: a route has quota or challenge, not both: with challenge the site itself says what is free",
        ),
        (
            json!({"routes": one, "grace": 601}),
            "/grace: expected whole seconds, 0 to 600: how long a price quoted before a change is honoured (found 601)",
        ),
        (
            json!({"routes": one, "challenge": "401"}),
            "/challenge: unknown key; allowed are $schema, facilitators, facilitatorTimeoutSeconds, smartWallets, publicUrl, rpc, networks, tokens, caseSensitive, grace, passes, claims, hosts, routes, payTo, network, asset, maxTimeoutSeconds, mode, rollout",
        ),
        (
            json!({"hosts": {"https://a.example": {"routes": {}}}}),
            "/hosts/https:~1~1a.example: a host is a name such as \"api.example.com\", without scheme and path",
        ),
        (
            json!({"hosts": {"a.example:80": {"routes": {}}}}),
            "/hosts/a.example:80: a host is written without its port: it is the same site on every port",
        ),
        (
            json!({"hosts": {"a.*.example": {"routes": {}}}}),
            "/hosts/a.*.example: a host is a name such as \"api.example.com\", or \"*.example.com\" for every name below it",
        ),
        (
            json!({"hosts": {"é.example": {"routes": {}}}}),
            "/hosts/é.example: write the name as DNS has it (xn--…): requests come with that",
        ),
        (
            json!({"hosts": {"a.example": {}}}),
            "/hosts/a.example: routes is missing: what is priced at this host; {} makes all of it free",
        ),
        (
            json!({"hosts": {"a.example": {"routes": {}}, "A.example": {"routes": {}}}}),
            "/hosts/a.example: this host is written twice; keep one",
        ),
        (
            json!({"hosts": {"a.example": {"routes": {"/x": {"price": "x"}}}}}),
            "/hosts/a.example/routes/~1x/price: a price is written \"$0.01\", \"0.01\" or \"0.01 USDC\" (found \"x\")",
        ),
        (
            json!({"routes": one, "networks": {"kite": {}}}),
            "/networks/kite: the keys of networks are CAIP-2 ids such as \"eip155:2366\"",
        ),
        (
            json!({"routes": one, "networks": {"eip155:1": {"name": "base"}}}),
            "/networks/eip155:1/name: this name is built in for eip155:8453; choose another (found \"base\")",
        ),
        (
            json!({"routes": one, "networks": {"eip155:1": {"rpc": ["https://r.example"]}}, "rpc": {"eip155:1": ["https://r.example"]}}),
            "/rpc/eip155:1: this network's rpc is written twice; keep one",
        ),
        (
            json!({"routes": one, "tokens": {"nowhere": {}}}),
            "/tokens/nowhere: the keys of tokens are networks such as \"eip155:2366\", each with {\"TICKER\": {address, decimals, name, version}}",
        ),
        (
            json!({"routes": one, "tokens": {"base": {"T": token(&json!({"decimals": 99}))}}}),
            "/tokens/base/T/decimals: expected a whole number, 0 to 36, as decimals() of the contract says (found 99)",
        ),
        (
            json!({"routes": one, "tokens": {"base": {"USDC": token(&json!({}))}}}),
            "/tokens/base/USDC: this ticker is built in with another address; choose another",
        ),
        (
            json!({"routes": one, "tokens": {"base-sepolia": {"X": token(&json!({"address": usdc, "decimals": 18}))}}}),
            "/tokens/base-sepolia/X: this token has 6 decimals",
        ),
        (
            json!({"routes": {"/x": {"price": "1", "network": "eip155:2366"}}}),
            "/routes/~1x/price: no token is built in for eip155:2366: declare one under tokens, or write the price as {asset, amount} in atomic units (found \"1\")",
        ),
        (
            json!({"routes": {"/x": {"price": "1 USDT"}}}),
            "/routes/~1x/price: USDT is not built in for eip155:84532, so its decimals are unknown: did you mean USDC? (found \"1 USDT\")",
        ),
        (
            json!({"routes": {"/x": {"price": "1", "extensions": {"a": "DUPLICATE"}}}}),
            "/routes/~1x/extensions/a/b: this key is written twice; keep one",
        ),
    ] {
        let text = {
            let mut document =
                json!({"payTo": PAY_TO, "network": "base-sepolia", "facilitators": ["https://f.example"]});
            document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            document.to_string().replace(r#""DUPLICATE""#, r#"{"b":1,"b":2}"#)
        };
        let told: Vec<String> = PriceTable::parse(&text).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(told, [expected], "{more}");
    }
}

#[test]
fn huge_documents_are_bounded() {
    let text = format!(r#"{{"routes": {{}}, "x": "{}"}}"#, "x".repeat(5_000_000));
    let problems = PriceTable::parse(&text).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].message.ends_with("bytes, 5000000 are allowed"), "{}", problems[0]);
    let keys: Vec<String> = (0..300_000).map(|n| format!("\"k{n}\":1")).collect();
    let problems = PriceTable::parse(&format!("{{{}}}", keys.join(","))).unwrap_err();
    assert_eq!(problems.len(), 201);
    assert!(problems[200].message.ends_with("more problems are not listed"));
    let deep = format!(
        "{{\"routes\":{{\"/x\":{{\"price\":\"1\",\"extra\":{{\"a\":{}1{}}}}}}}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(PriceTable::parse(&deep).unwrap_err().iter().any(|problem| problem.message.contains("too deeply")));
    assert!(matches!(
        ask(&with(&json!({"routes": {"*": {"price": "1"}}})), "GET", "https://a/x", &[], &Client::default()),
        Decision::Priced(_)
    ));
    let many: Vec<String> = (0..20_001).map(|n| format!("\"/{n}\":{{\"free\":true}}")).collect();
    let problems =
        PriceTable::parse(&format!("{{\"facilitators\":[\"https://f.example\"],\"routes\":{{{}}}}}", many.join(",")))
            .unwrap_err();
    assert_eq!(problems[0].to_string(), "/routes: at most 20000 routes in one document");
}
