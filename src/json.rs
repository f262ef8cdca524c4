//! JSON texts read into types, by way of one tree: a reader of text for each type is a good part of a Worker's size.
//!
//! A member written twice counts once, the last time, as in JavaScript.

use serde::de::DeserializeOwned;
use serde_json::{Error, Value};

/// The message that this text writes.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str::<Value>(text).and_then(T::deserialize)
}
