//! `payment-identifier`: the client names its payment, and the same name with the same payment gets the same answer.

use serde_json::{Map, Value, json};

/// The extension's key.
pub const PAYMENT_IDENTIFIER: &str = "payment-identifier";

const MIN_ID_BYTES: usize = 16;
const MAX_ID_BYTES: usize = 128;

/// Why a payment cannot be taken: the client's request is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadIdentifier {
    /// The route wants one, and there is none.
    #[error("this resource requires a payment identifier: extensions[\"payment-identifier\"].info.id")]
    Missing,
    /// There is one, and it is none.
    #[error("a payment identifier has 16 to 128 letters, digits, \"-\" and \"_\"")]
    Malformed,
}

/// What is advertised where the owner says nothing else: a client may name its payment.
pub fn declaration() -> Value {
    json!({
        "info": { "required": false },
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "required": { "type": "boolean" },
                "id": {
                    "type": "string",
                    "minLength": MIN_ID_BYTES,
                    "maxLength": MAX_ID_BYTES,
                    "pattern": "^[a-zA-Z0-9_-]+$",
                },
            },
            "required": ["required"],
        },
    })
}

/// The identifier in a payload's `extensions`, given what we advertise.
pub fn read<'a>(theirs: Option<&'a Value>, ours: &Map<String, Value>) -> Result<Option<&'a str>, BadIdentifier> {
    let Some(advertised) = ours.get(PAYMENT_IDENTIFIER) else { return Ok(None) };
    let id = theirs.and_then(|extensions| extensions.get(PAYMENT_IDENTIFIER)?.get("info")?.get("id"));
    match id.filter(|id| !id.is_null()) {
        None if advertised["info"]["required"] == true => Err(BadIdentifier::Missing),
        None => Ok(None),
        Some(Value::String(id)) if is_identifier(id) => Ok(Some(id)),
        Some(_) => Err(BadIdentifier::Malformed),
    }
}

fn is_identifier(id: &str) -> bool {
    (MIN_ID_BYTES..=MAX_ID_BYTES).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(required: bool) -> Map<String, Value> {
        let mut declaration = declaration();
        declaration["info"]["required"] = required.into();
        Map::from_iter([(PAYMENT_IDENTIFIER.to_owned(), declaration)])
    }

    #[test]
    fn identifiers_are_those_of_the_specification() {
        let with = |id: Value| json!({ "payment-identifier": { "info": { "required": false, "id": id } } });
        for id in ["pay_0123456789abcdef", &"a".repeat(16), &"Z-_9".repeat(32)] {
            assert_eq!(read(Some(&with(json!(id))), &ours(true)), Ok(Some(id)));
        }
        for id in [json!(""), json!("short"), json!("a".repeat(129)), json!("pay 0123456789abcdef"), json!(17)] {
            assert_eq!(read(Some(&with(id)), &ours(false)), Err(BadIdentifier::Malformed));
        }
        for none in [None, Some(json!({})), Some(with(Value::Null)), Some(json!("x"))] {
            assert_eq!(read(none.as_ref(), &ours(false)), Ok(None));
            assert_eq!(read(none.as_ref(), &ours(true)), Err(BadIdentifier::Missing));
        }
        assert_eq!(read(Some(&with(json!("x"))), &Map::new()), Ok(None), "not advertised: not read");
    }
}
