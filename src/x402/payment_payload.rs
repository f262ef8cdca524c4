//! `PaymentPayload`: what a client sends to pay (x402 v2 §5.2, v1 §5.2). Untrusted in every byte.

use serde_json::{Map, Value};

use super::{PaymentRequirements, ResourceInfo, X402Version};

/// A JSON object that calls itself an x402 payload of version 1 or 2. Nothing else is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentPayload {
    version: X402Version,
    wire: Map<String, Value>,
}

/// The JSON is no payment payload at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedPayload {
    /// Not JSON, or JSON nested too deeply.
    #[error("the payment payload is not JSON")]
    Json,
    /// An array, a text, null.
    #[error("the payment payload is not a JSON object")]
    Object,
    /// `x402Version` is absent or neither 1 nor 2.
    #[error("the payment payload's x402Version is neither 1 nor 2")]
    Version,
}

impl PaymentPayload {
    /// Reads the JSON text of a payload. A key written twice counts once, the last time, as in JavaScript.
    pub fn from_json(json: &[u8]) -> Result<Self, MalformedPayload> {
        let text = std::str::from_utf8(json).map_err(|_| MalformedPayload::Json)?;
        Self::from_value(serde_json::from_str(text).map_err(|_| MalformedPayload::Json)?)
    }

    /// Reads a payload that is JSON already.
    pub fn from_value(value: Value) -> Result<Self, MalformedPayload> {
        let Value::Object(wire) = value else {
            return Err(MalformedPayload::Object);
        };
        let version = match wire.get("x402Version").and_then(Value::as_u64) {
            Some(1) => X402Version::V1,
            Some(2) => X402Version::V2,
            _ => return Err(MalformedPayload::Version),
        };
        Ok(Self { version, wire })
    }

    /// The version it claims.
    pub const fn version(&self) -> X402Version {
        self.version
    }

    /// A top-level member: `accepted`, `payload`, `extensions`; in v1 also `scheme` and `network`.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.wire.get(key)
    }

    /// The payload as it goes on: our own offer, what was checked, and the extensions. Nothing else of the
    /// client's, since a facilitator might read in it what we did not (Go matches keys without case).
    #[must_use]
    pub fn restated(&self, requirements: &PaymentRequirements, payload: Value) -> Self {
        let mut wire = Map::new();
        wire.insert("x402Version".to_owned(), self.version.number().into());
        wire.insert("payload".to_owned(), payload);
        match self.version {
            X402Version::V1 => {
                for key in ["scheme", "network"] {
                    wire.insert(key.to_owned(), requirements.wire()[key].clone());
                }
            }
            X402Version::V2 => {
                wire.insert("accepted".to_owned(), requirements.wire().clone());
                wire.extend(self.get("extensions").map(|extensions| ("extensions".to_owned(), extensions.clone())));
            }
        }
        Self { version: self.version, wire }
    }

    /// The same payload, naming what is bought: the client's own word for it is not passed on.
    #[must_use]
    pub fn for_resource(mut self, resource: &ResourceInfo) -> Self {
        if let (X402Version::V2, Ok(resource)) = (self.version, serde_json::to_value(resource)) {
            self.wire.insert("resource".to_owned(), resource);
        }
        self
    }

    /// The object as it goes to a facilitator.
    pub const fn wire(&self) -> &Map<String, Value> {
        &self.wire
    }
}
