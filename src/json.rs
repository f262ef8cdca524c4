//! JSON texts read into types, by way of one tree: a reader of text for each type, with words for all that can be wrong,
//! is a good part of a Worker's size. For messages whose other end is ours or a service; what owners write is read in
//! `src/prices`, which tells them what is wrong and where.
//!
//! A member written twice counts once, the last time, as in JavaScript. A struct is an object, never a list.

use std::fmt;

use serde::{
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, SeqAccess,
        VariantAccess, Visitor,
    },
    forward_to_deserialize_any,
};
use serde_json::{Map, Value};

/// The text is no JSON, or says something else than was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the JSON is not what was expected")]
pub struct Unreadable;

impl Error for Unreadable {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// The message that this text writes.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    of(serde_json::from_str(text).map_err(|_| Unreadable)?)
}

/// The message that this is.
pub fn of<T: DeserializeOwned>(value: Value) -> Result<T, Unreadable> {
    T::deserialize(Tree(value))
}

struct Tree(Value);

impl<'de> Deserializer<'de> for Tree {
    type Error = Unreadable;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(number), ..) => visitor.visit_u64(number),
                (_, Some(number), _) => visitor.visit_i64(number),
                (.., Some(number)) => visitor.visit_f64(number),
                (None, None, None) => Err(Unreadable),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => Items::whole(items, visitor),
            Value::Object(members) => visitor.visit_map(Members::of(members)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::Object(members) => visitor.visit_map(Members::of(members)),
            _ => Err(Unreadable),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        match self.0 {
            Value::String(name) => visitor.visit_enum(Variant { name, content: None }),
            Value::Object(members) => {
                let mut members = members.into_iter();
                match (members.next(), members.next()) {
                    (Some((name, content)), None) => visitor.visit_enum(Variant { name, content: Some(content) }),
                    _ => Err(Unreadable),
                }
            }
            _ => Err(Unreadable),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Unreadable> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier
    }
}

struct Items(std::vec::IntoIter<Value>);

impl Items {
    fn whole<'de, V: Visitor<'de>>(items: Vec<Value>, visitor: V) -> Result<V::Value, Unreadable> {
        let mut items = Self(items.into_iter());
        let value = visitor.visit_seq(&mut items)?;
        if items.0.len() == 0 { Ok(value) } else { Err(Unreadable) }
    }
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Unreadable;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Unreadable> {
        self.0.next().map(|item| seed.deserialize(Tree(item))).transpose()
    }
}

struct Members {
    left: serde_json::map::IntoIter,
    /// Of the key that was read last.
    value: Value,
}

impl Members {
    fn of(members: Map<String, Value>) -> Self {
        Self { left: members.into_iter(), value: Value::Null }
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = Unreadable;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Unreadable> {
        let Some((key, value)) = self.left.next() else { return Ok(None) };
        self.value = value;
        seed.deserialize(Tree(Value::String(key))).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Unreadable> {
        seed.deserialize(Tree(self.value.take()))
    }
}

struct Variant {
    name: String,
    content: Option<Value>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Unreadable;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content), Unreadable> {
        let name: serde::de::value::StringDeserializer<Unreadable> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

struct Content(Option<Value>);

impl<'de> VariantAccess<'de> for Content {
    type Error = Unreadable;

    fn unit_variant(self) -> Result<(), Unreadable> {
        if self.0.is_none_or(|content| content.is_null()) { Ok(()) } else { Err(Unreadable) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Unreadable> {
        seed.deserialize(Tree(self.0.ok_or(Unreadable)?))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, visitor: V) -> Result<V::Value, Unreadable> {
        match self.0 {
            Some(Value::Array(items)) => Items::whole(items, visitor),
            _ => Err(Unreadable),
        }
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Unreadable> {
        match self.0 {
            Some(Value::Object(members)) => visitor.visit_map(Members::of(members)),
            _ => Err(Unreadable),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
    struct Name(String);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Unit,
        One(u64),
        Two(i8, Option<bool>),
        Many { name: Name, list: Vec<Kind> },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct All {
        kind: Kind,
        by_name: BTreeMap<Name, (u8, char)>,
        #[serde(default)]
        perhaps: Option<Box<All>>,
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }

    #[track_caller]
    fn same<T: DeserializeOwned + PartialEq + fmt::Debug>(text: &str) {
        let ours: Result<T, _> = read(text);
        let theirs: Result<T, _> = serde_json::from_str::<Value>(text).and_then(serde_json::from_value);
        assert_eq!(ours.ok(), theirs.ok(), "{text}");
    }

    #[test]
    fn every_shape_is_read_as_serde_json_reads_it() {
        let all = json!({
            "kind": {"Many": {"name": "a", "list": ["Unit", {"One": u64::MAX}, {"Two": [-128, null]}, {"Two": [1, true]}]}},
            "byName": {"x": [1, "é"], "y": [255, "z"]}, "perhaps": null, "more": {"deep": [1.5, -7, null]},
        });
        let nested = json!({"kind": "Unit", "byName": {}, "perhaps": all});
        let good: All = read(&nested.to_string()).unwrap();
        assert_eq!(serde_json::to_value(&good).unwrap()["perhaps"]["kind"], all["kind"]);
        for value in [all, nested] {
            same::<All>(&value.to_string());
            same::<Value>(&value.to_string());
        }
    }

    #[test]
    fn what_is_not_expected_is_refused_as_serde_json_refuses_it() {
        for text in [
            "",
            "{",
            "null",
            "7",
            "\"Unit\"",
            "\"None\"",
            "{\"Unit\": null}",
            "{\"Unit\": 1}",
            "{\"One\": -1}",
            "{\"One\": 1.0}",
            "{\"One\": \"1\"}",
            "{\"One\": 18446744073709551616}",
            "{\"Two\": [1]}",
            "{\"Two\": [1, null, 3]}",
            "{\"Two\": [128, null]}",
            "{\"One\": 1, \"Unit\": null}",
            "{\"Many\": {\"name\": \"a\"}}",
            "{\"Many\": {\"name\": \"a\", \"list\": [], \"else\": 1}}",
            "[]",
        ] {
            same::<Kind>(text);
            same::<Option<Kind>>(text);
            same::<Vec<Kind>>(text);
        }
    }
}
