//! What holds for every input, hostile ones first.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::vectors;
use proptest::prelude::*;
use serde_json::{Value, json};
use x402_edge::{
    evm::SignatureForm,
    money::{Amount, Decimal},
    prices::{Decision, Pattern, PriceTable, Target, readings},
    schemes::{self, SmartWallets},
    time::UnixTime,
    transports::http,
    x402::{PaymentPayload, PaymentRequirements},
};

fn valid_payment() -> Value {
    vectors("exact-eip3009")["vectors"][0].clone()
}

fn is_accepted(vector: &Value) -> bool {
    let Ok(payload) = PaymentPayload::from_value(vector["paymentPayload"].clone()) else { return false };
    let requirements = PaymentRequirements::from_v2(vector["requirements"].clone()).unwrap();
    let now = UnixTime(vector["now"].as_u64().unwrap());
    schemes::check(&payload, &requirements, now, SmartWallets::Refuse).is_ok()
}

fn table() -> PriceTable {
    let document = json!({
        "payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB", "network": "base-sepolia",
        "facilitators": ["https://facilitator.example"],
        "routes": {"/premium/*": {"price": "$0.01"}, "/articles/:slug": {"price": "$0.02"}},
    });
    PriceTable::parse(&document.to_string()).unwrap()
}

fn is_free(path: &str) -> bool {
    matches!(common::decide(&table(), "GET", path), Decision::Unpriced)
}

/// One byte of a path, in one of the spellings that servers read alike.
fn spelled(byte: char, how: u8) -> String {
    match how % 8 {
        0..=3 => byte.to_string(),
        4 => format!("%{:02x}", u32::from(byte)),
        5 => format!("%25{:02X}", u32::from(byte)),
        6 => byte.to_ascii_uppercase().to_string(),
        _ => format!("%u{:04x}", u32::from(byte)),
    }
}

/// Text that says nothing to one server or another.
const NOISE: [&str; 14] = ["", "", "", "/", "//", "/./", "/x/../", ";a=b", "\\", "%2f", "%5c", "%00", "%09", "/%2e/"];

proptest! {
    #[test]
    fn no_byte_of_the_authorization_can_change(path in 0_usize..7, at: prop::sample::Index, digit in "[0-9a-f]") {
        let mut vector = valid_payment();
        let payload = &mut vector["paymentPayload"]["payload"];
        let member = ["/signature", "/authorization/from", "/authorization/to", "/authorization/value",
            "/authorization/validAfter", "/authorization/validBefore", "/authorization/nonce"][path];
        let text = payload.pointer_mut(member).unwrap();
        let mut changed = text.as_str().unwrap().to_lowercase();
        let start = if changed.starts_with("0x") { 2 } else { 0 };
        let at = start + at.index(changed.len() - start);
        let before = changed.clone();
        changed.replace_range(at..=at, &digit);
        prop_assume!(changed != before);
        *text = json!(changed);
        prop_assert!(!is_accepted(&vector), "{member}: {before} -> {changed}");
    }

    #[test]
    fn bytes_never_make_the_parsers_panic(bytes: Vec<u8>, text in "\\PC*") {
        let _ = SignatureForm::of(&bytes);
        let _ = PaymentPayload::from_json(&bytes);
        let _ = http::read_payment(|_| Some(text.as_str()));
        let written = http::encode_header(&bytes);
        let _ = http::read_payment(|_| Some(written.as_str()));
        let _ = PriceTable::parse(&text);
        let _ = Decimal::parse(&text).map(|decimal| decimal.to_amount(6));
        let _ = Target::parse(&text);
        let _ = Pattern::parse(&text, true);
        let _ = readings(&format!("/{text}"), true);
    }

    #[test]
    fn json_of_any_shape_is_no_payment_and_no_panic(value in json_value()) {
        let mut vector = valid_payment();
        vector["paymentPayload"]["payload"] = value.clone();
        prop_assert!(!is_accepted(&vector));
        vector["paymentPayload"]["payload"] = json!({"signature": value, "authorization": value});
        prop_assert!(!is_accepted(&vector));
        let _ = PriceTable::parse(&json!({"routes": {"/x": value}, "payTo": value, "facilitators": value}).to_string());
    }

    #[test]
    fn headers_round_trip(value in json_value()) {
        let header = http::encode_header(&value);
        let back: Value = serde_json::from_slice(&http::decode_header("x", &header).unwrap()).unwrap();
        prop_assert_eq!(back, value);
    }

    #[test]
    fn prices_are_exact_for_every_amount(units in 1_u64.., decimals in 0_u8..=18) {
        let amount: Amount = units.to_string().parse().unwrap();
        let written = amount.to_decimal(decimals);
        prop_assert_eq!(Decimal::parse(&written).unwrap().to_amount(decimals), Ok(amount), "{}", written);
        prop_assert_eq!(Decimal::parse(&format!("${written} USDC")).unwrap().to_amount(decimals), Ok(amount));
    }

    #[test]
    fn no_spelling_of_a_priced_path_is_free(
        hows in prop::collection::vec(any::<u8>(), 13),
        noise in prop::collection::vec(0..NOISE.len(), 3),
    ) {
        let word = |text: &str, hows: &[u8]| -> String { text.chars().zip(hows).map(|(c, how)| spelled(c, *how)).collect() };
        let [before, between, after] = [0, 1, 2].map(|index| NOISE[noise[index]]);
        let path = format!("/{}{between}/{}{after}", word("premium", &hows[..7]), word("report", &hows[7..]));
        // Noise before the path must itself be a path.
        let path = if before.starts_with('/') { format!("{before}{}", &path[1..]) } else { path };
        prop_assert!(!is_free(&path), "{}", path);
    }

    #[test]
    fn plain_paths_have_one_reading(path in "(/[a-z0-9_-]{1,8}){1,5}") {
        prop_assert_eq!(readings(&path, true).unwrap().into_iter().collect::<Vec<_>>(), vec![path.clone()]);
        let priced = path.starts_with("/premium/") || path == "/premium" || (path.starts_with("/articles/") && path.matches('/').count() == 2);
        prop_assert_eq!(is_free(&path), !priced);
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,40}".prop_map(Value::from),
        "0x[0-9a-f]{0,70}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        "[a-z]{1,6}",
        prop::sample::select(vec!["from", "to", "value", "nonce", "price", "accepts", "network", "extra"])
            .prop_map(str::to_owned)
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
