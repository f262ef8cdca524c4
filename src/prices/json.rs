//! A strict look at JSON: every value knows where it stands, numbers keep their text, keys come once.
//!
//! `serde_json::Value` would keep the last of two equal keys and read prices as floats.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    Diagnosis,
    diagnosis::{keep, meant},
    fnv::FnvSet,
};

/// Problems after which nothing is suggested any more.
const MAX_HINTS: usize = 1_000;

/// Members of an object that are compared one by one: faster than hashing them.
const FEW: usize = 16;

/// A value and its JSON pointer (RFC 6901).
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) pointer: String,
    raw: &'a RawValue,
}

/// The members of an object, in the order of the text, each key once.
#[derive(Debug, Clone, Default)]
pub(super) struct Members<'a> {
    members: Vec<(String, Node<'a>)>,
}

impl<'a> Members<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&Node<'a>> {
        self.members.iter().find(|(known, _)| known == key).map(|(_, node)| node)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, (String, Node<'a>)> {
        self.members.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Only the members with these keys.
    pub(super) fn only(&self, keys: &[&str]) -> Self {
        Self { members: self.members.iter().filter(|(key, _)| keys.contains(&key.as_str())).cloned().collect() }
    }

    /// The value of a key, where it is there and right.
    pub(super) fn read<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Node<'a>) -> Result<T, Diagnosis>,
        problems: &mut Vec<Diagnosis>,
    ) -> Option<T> {
        self.get(key).and_then(|node| keep(read(node), problems))
    }
}

/// Tells that a key is none of `allowed`.
pub(super) fn unknown_key(key: &str, node: &Node<'_>, allowed: &[&str]) -> Diagnosis {
    let hint = meant(key, allowed)
        .map_or_else(|| format!("allowed are {}", allowed.join(", ")), |near| format!("did you mean {near}?"));
    Diagnosis::new(&node.pointer, format!("unknown key; {hint}"))
}

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
        let mut members: Vec<(String, Self)> = Vec::with_capacity(pairs.len());
        let few = pairs.len() <= FEW;
        let mut seen: FnvSet<String> = FnvSet::default();
        for (key, raw) in pairs {
            let node = self.child(&key, raw);
            let is_new = if few { members.iter().all(|(known, _)| *known != key) } else { seen.insert(key.clone()) };
            if is_new {
                members.push((key, node));
            } else {
                problems.push(Diagnosis::new(&node.pointer, "this key is written twice; keep one"));
            }
        }
        Some(Members { members })
    }

    /// The members of an object whose keys are all among `allowed`.
    pub(super) fn members(&self, allowed: &[&str], problems: &mut Vec<Diagnosis>) -> Option<Members<'a>> {
        let members = self.object(problems)?;
        for (key, node) in members.iter().filter(|(key, _)| !allowed.contains(&key.as_str())) {
            // Finding what was meant takes time, and nobody reads that many.
            let is_read = problems.len() < MAX_HINTS;
            problems.push(if is_read { unknown_key(key, node, allowed) } else { Diagnosis::new("", "unknown key") });
        }
        Some(members)
    }

    /// Tells keys that come twice, in the value and everything within.
    pub(super) fn check_keys(&self, problems: &mut Vec<Diagnosis>) {
        if self.is_object() {
            for (_, node) in self.object(problems).unwrap_or_default().iter() {
                node.check_keys(problems);
            }
        } else if self.is_array() {
            self.array().unwrap_or_default().iter().for_each(|node| node.check_keys(problems));
        }
    }

    /// The items of a list, or the value itself where it is none.
    pub(super) fn one_or_many(&self) -> Vec<Self> {
        if self.is_array() { self.array().unwrap_or_default() } else { vec![self.clone()] }
    }

    /// `true`, where the key has no other meaning.
    pub(super) fn only_true(&self) -> Result<(), Diagnosis> {
        if self.text() == "true" { Ok(()) } else { Err(self.problem("can only be true; leave the key out otherwise")) }
    }

    /// One of some words.
    pub(super) fn word<'w>(&self, allowed: &[&'w str]) -> Result<&'w str, Diagnosis> {
        let text = self.string()?;
        if let Some(word) = allowed.iter().find(|word| **word == text) {
            return Ok(word);
        }
        let quoted: Vec<String> = allowed.iter().map(|word| format!("\"{word}\"")).collect();
        let near = meant(&text, allowed).filter(|_| allowed.len() > 1);
        let hint = near.map_or_else(String::new, |word| format!("; did you mean \"{word}\"?"));
        Err(self.problem(format!("expected {}{hint}", quoted.join(" or "))))
    }

    /// The value as ordinary JSON, for what is passed on without being read (`extra`, `extensions`).
    pub(super) fn value<T: serde::Deserialize<'a>>(&self) -> Option<T> {
        self.parse()
    }

    fn parse<T: serde::Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(self.text()).ok()
    }

    fn child(&self, key: &str, raw: &'a RawValue) -> Self {
        let mut pointer = String::with_capacity(self.pointer.len() + key.len() + 8);
        pointer.push_str(&self.pointer);
        pointer.push('/');
        for c in key.chars() {
            match c {
                '~' => pointer.push_str("~0"),
                '/' => pointer.push_str("~1"),
                _ => pointer.push(c),
            }
        }
        Self { pointer, raw }
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
