//! `PaymentRequired`: the content of a 402 (x402 v2 §5.1).

use serde::Serialize;
use serde_json::{Map, Value};

use super::PaymentRequirements;

/// What is sold (x402 v2 §5.1.3; `serviceName`, `tags` and `iconUrl` as in the official packages).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceInfo {
    /// Absolute URL.
    pub url: String,
    /// For people and catalogues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Media type of the paid answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// Shown in catalogues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Shown in catalogues.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Shown in catalogues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icon_url: Option<String>,
}

/// The v2 challenge, ready to be written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequired<'a> {
    x402_version: u8,
    error: &'a str,
    resource: &'a ResourceInfo,
    accepts: Vec<&'a Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    extensions: &'a Map<String, Value>,
}

impl<'a> PaymentRequired<'a> {
    /// A challenge for `resource`, payable by any of `accepts`; `error` says why it is sent.
    pub fn new(
        error: &'a str,
        resource: &'a ResourceInfo,
        accepts: &'a [PaymentRequirements],
        extensions: &'a Map<String, Value>,
    ) -> Self {
        let accepts = accepts.iter().map(PaymentRequirements::wire).collect();
        Self { x402_version: 2, error, resource, accepts, extensions }
    }
}
