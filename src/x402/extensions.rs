//! The echo of extensions (x402 v2 §5.1 `extensions`): a client may add to what we sent, not change it.

use serde_json::{Map, Value};

/// An extension came back changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the extension {0:?} came back changed")]
pub struct MismatchedExtension(pub String);

/// Members that an extension fills in anew for every 402, so that they cannot be compared.
const DYNAMIC_INFO: &[(&str, &[&str])] =
    &[("sign-in-with-x", &["nonce", "issuedAt", "expirationTime"]), ("offer-receipt", &["offers"])];

const BUILDER_CODE: &str = "builder-code";
/// `builder-code` allows a client so many services at most.
const MAX_BUILDER_SERVICES: usize = 10;

/// Every extension that we sent and the client sent back must contain our `info`.
///
/// Left out, dropped and unknown extensions are fine; `builder-code` names who earns, so `info.a` must be ours.
pub fn check_echo(ours: &Map<String, Value>, theirs: Option<&Value>) -> Result<(), MismatchedExtension> {
    let Some(Value::Object(theirs)) = theirs else {
        return Ok(());
    };
    for (key, echoed) in theirs {
        let our_info = ours.get(key).and_then(|extension| extension.get("info"));
        let their_info = echoed.get("info");
        let faithful = match our_info {
            Some(our_info) if key != BUILDER_CODE => {
                let dynamic = DYNAMIC_INFO.iter().find(|(name, _)| name == key).map_or(&[][..], |(_, d)| d);
                their_info.is_some_and(|info| info_matches(our_info, info, dynamic))
            }
            None if key != BUILDER_CODE => true,
            _ => builder_code_matches(our_info, their_info),
        };
        if !faithful {
            return Err(MismatchedExtension(key.clone()));
        }
    }
    Ok(())
}

fn info_matches(ours: &Value, theirs: &Value, dynamic: &[&str]) -> bool {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => ours
            .iter()
            .filter(|(key, _)| !dynamic.contains(&key.as_str()))
            .all(|(key, value)| theirs.get(key).is_some_and(|other| is_subset(value, other))),
        _ => ours == theirs,
    }
}

fn builder_code_matches(ours: Option<&Value>, theirs: Option<&Value>) -> bool {
    let member = |info: Option<&Value>, key: &str| info.and_then(|info| info.get(key)).cloned();
    let author = match member(theirs, "a") {
        None => true,
        code => code == member(ours, "a"),
    };
    let list = |info, key| match member(info, key) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let services = list(theirs, "s");
    author && services.len() <= MAX_BUILDER_SERVICES && list(ours, "s").iter().all(|service| services.contains(service))
}

/// Whether every key of `part` is in `whole` with an equal value, at any depth; arrays and scalars are equal.
pub(crate) fn is_subset(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|other| is_subset(value, other)))
        }
        _ => part == whole,
    }
}
