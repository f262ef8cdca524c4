//! A strict look at JSON: every value knows where it stands, numbers keep their text, keys come once.
//!
//! `serde_json::Value` would keep the last of two equal keys and read prices as floats.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Diagnosis;

/// A value and its JSON pointer (RFC 6901).
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) pointer: String,
    raw: &'a RawValue,
}

/// The members of an object, in the order of the text.
pub(super) type Members<'a> = Vec<(String, Node<'a>)>;

impl<'a> Node<'a> {
    pub(super) fn document(text: &'a str) -> Result<Self, Diagnosis> {
        let raw = serde_json::from_str(text)
            .map_err(|error| Diagnosis::new("", format!("the document is not JSON: {error}")))?;
        Ok(Self { pointer: String::new(), raw })
    }

    /// The JSON text of this value.
    pub(super) fn text(&self) -> &'a str {
        self.raw.get()
    }

    /// A problem with this value.
    pub(super) fn problem(&self, message: impl Into<String>) -> Diagnosis {
        Diagnosis::new(&self.pointer, message).found(self.text())
    }

    pub(super) fn string(&self) -> Result<String, Diagnosis> {
        self.parse().ok_or_else(|| self.problem("expected a text"))
    }

    /// The text of a number, as it was written.
    pub(super) fn number(&self) -> Option<&'a str> {
        let text = self.text();
        text.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then_some(text)
    }

    pub(super) fn boolean(&self) -> Result<bool, Diagnosis> {
        self.parse().ok_or_else(|| self.problem("expected true or false"))
    }

    pub(super) fn array(&self) -> Result<Vec<Self>, Diagnosis> {
        let items: Vec<&'a RawValue> = self.parse().ok_or_else(|| self.problem("expected a list"))?;
        Ok(items.into_iter().enumerate().map(|(index, raw)| self.child(&index.to_string(), raw)).collect())
    }

    pub(super) fn is_array(&self) -> bool {
        self.text().starts_with('[')
    }

    pub(super) fn is_object(&self) -> bool {
        self.text().starts_with('{')
    }

    /// The members; a key that comes twice is a problem, since readers disagree on which one counts.
    pub(super) fn object(&self, problems: &mut Vec<Diagnosis>) -> Option<Members<'a>> {
        let Some(Pairs(pairs)) = self.parse() else {
            problems.push(self.problem("expected an object"));
            return None;
        };
        let mut members = Members::new();
        for (key, raw) in pairs {
            let node = self.child(&key, raw);
            if members.iter().any(|(known, _)| *known == key) {
                problems.push(Diagnosis::new(&node.pointer, "this key is written twice; keep one"));
            } else {
                members.push((key, node));
            }
        }
        Some(members)
    }

    /// The value as ordinary JSON, for what is passed on without being read (`extra`, `extensions`).
    pub(super) fn value<T: serde::Deserialize<'a>>(&self) -> Option<T> {
        self.parse()
    }

    fn parse<T: serde::Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.text()).ok()
    }

    fn child(&self, key: &str, raw: &'a RawValue) -> Self {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        Self { pointer: format!("{}/{escaped}", self.pointer), raw }
    }
}

/// An object's pairs, duplicates included.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
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
