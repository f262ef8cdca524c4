//! The secret `PASS_KEYS`: `{kid: base64url}`. The first key signs, all of them verify.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::{seen::Seen, token::Key};

/// Fewer bytes could be guessed (RFC 7518 §3.2).
const MIN_KEY_BYTES: usize = 32;
const MAX_KEY_BYTES: usize = 1024;
/// Each is tried against a pass's header.
const MAX_KEYS: usize = 8;
const MAX_KID_BYTES: usize = 32;

/// Why there are no passes. Never quotes the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// There is no secret.
    #[error("PASS_KEYS is not set")]
    Missing,
    /// It is something else.
    #[error("PASS_KEYS is not a JSON object from key ids to base64url, such as {{\"k1\": \"…\"}}")]
    NotAnObject,
    /// None or too many.
    #[error("PASS_KEYS has 1 to 8 keys, each under another id")]
    Count,
    /// A key's id.
    #[error("a key id in PASS_KEYS has 1 to 32 letters, digits, \"-\", \"_\" and \".\"")]
    Id,
    /// A key.
    #[error("a key in PASS_KEYS is base64url (\"-\" and \"_\", no \"=\") of 32 to 1024 random bytes")]
    Key,
}

/// The keys, the one that signs first, and what they were found to have signed.
#[derive(Debug)]
pub struct Keys {
    keys: Vec<Key>,
    pub(super) seen: Seen,
}

impl Keys {
    /// Reads the secret.
    pub fn parse(secret: &str) -> Result<Self, BadKeys> {
        let Pairs(pairs) = serde_json::from_str(secret).map_err(|_| BadKeys::NotAnObject)?;
        let is_twice = |at: usize| pairs[..at].iter().any(|(kid, _)| *kid == pairs[at].0);
        if !(1..=MAX_KEYS).contains(&pairs.len()) || (0..pairs.len()).any(is_twice) {
            return Err(BadKeys::Count);
        }
        let keys = pairs.into_iter().map(|(kid, key)| read_key(&kid, &key)).collect::<Result<_, _>>()?;
        Ok(Self { keys, seen: Seen::default() })
    }

    /// The key that signs.
    pub(super) fn signing(&self) -> Option<&Key> {
        self.keys.first()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.keys.iter()
    }
}

fn read_key(kid: &str, key: &str) -> Result<Key, BadKeys> {
    let is_plain = kid.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if !is_plain || !(1..=MAX_KID_BYTES).contains(&kid.len()) {
        return Err(BadKeys::Id);
    }
    let bytes = URL_SAFE_NO_PAD.decode(key).map_err(|_| BadKeys::Key)?;
    if !(MIN_KEY_BYTES..=MAX_KEY_BYTES).contains(&bytes.len()) {
        return Err(BadKeys::Key);
    }
    Key::new(kid, &bytes).ok_or(BadKeys::Key)
}

/// An object's pairs in the order of the text, duplicates included.
struct Pairs(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

    #[test]
    fn a_secret_is_read_whole_or_not_at_all() {
        for (secret, expected) in [
            (String::new(), BadKeys::NotAnObject),
            ("null".to_owned(), BadKeys::NotAnObject),
            (format!("\"{GOOD}\""), BadKeys::NotAnObject),
            ("{\"k1\": 1}".to_owned(), BadKeys::NotAnObject),
            ("{}".to_owned(), BadKeys::Count),
            (format!("{{\"k\": \"{GOOD}\", \"k\": \"{GOOD}\"}}"), BadKeys::Count),
            (format!("{{\"\": \"{GOOD}\"}}"), BadKeys::Id),
            (format!("{{\"a b\": \"{GOOD}\"}}"), BadKeys::Id),
            (format!("{{\"k1\": \"{GOOD}=\"}}"), BadKeys::Key),
            (format!("{{\"k1\": \"{GOOD}\", \"k2\": \"AAEC\"}}"), BadKeys::Key),
            ("{\"k1\": \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg\"}".to_owned(), BadKeys::Key),
            ("{\"k1\": \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9\"}".to_owned(), BadKeys::Key),
        ] {
            let found = Keys::parse(&secret).map(drop);
            assert_eq!(found, Err(expected), "{secret}");
            assert!(!expected.to_string().contains(GOOD));
        }
        assert!(Keys::parse(&format!("{{\"k1\": \"{GOOD}\"}}")).is_ok());
    }

    #[test]
    fn keys_are_not_shown() {
        let shown = format!("{:?}", Keys::parse(&format!("{{\"k1\": \"{GOOD}\"}}")).unwrap());
        assert!(!shown.contains(GOOD) && !shown.contains("0, 1, 2"), "{shown}");
    }
}
