//! Keys for facilitators that want one: a bearer token, or Coinbase's (CDP) signed JWTs (RFC 7519).
//!
//! Signing itself is the runtime's; what is signed is made here. Nothing here can be printed.

use std::fmt;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde::Deserialize;
use serde_json::json;

use crate::{json, time::UnixTime};

/// A CDP token is good for so long, and for one call.
const JWT_SECONDS: u64 = 120;

/// The keys by facilitator.
#[derive(Default)]
pub struct Credentials(Vec<(String, Credential)>);

/// One facilitator's key.
pub enum Credential {
    /// Sent as it is.
    Bearer(String),
    /// Signs a token for each call.
    Cdp(CdpKey),
}

/// A CDP API key.
pub struct CdpKey {
    id: String,
    key: SigningKey,
}

/// The two kinds of CDP keys.
pub enum SigningKey {
    /// `EdDSA`: as a JSON Web Key (RFC 8037).
    Ed25519 {
        /// Private part, base64url.
        d: String,
        /// Public part, base64url.
        x: String,
    },
    /// `ES256`: PKCS#8.
    P256 {
        /// DER.
        pkcs8: Vec<u8>,
    },
}

/// The secret is not what it should be. Says nothing of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCredentials {
    /// Not the JSON that is expected.
    #[error(
        "expected JSON such as {{\"https://facilitator.example\": {{\"bearer\": \"…\"}}}} or {{\"…\": {{\"cdp\": {{\"keyId\": \"…\", \"keySecret\": \"…\"}}}}}}"
    )]
    Form,
    /// A token that cannot stand in a header.
    #[error("a bearer token is printable ASCII without blanks")]
    Bearer,
    /// Neither kind of CDP key.
    #[error("keySecret is the base64 of 64 bytes (Ed25519), or a PEM of PKCS#8 (P-256): -----BEGIN PRIVATE KEY-----")]
    Key,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum Written {
    Bearer(String),
    #[serde(rename_all = "camelCase")]
    Cdp {
        key_id: String,
        key_secret: String,
    },
}

impl Credentials {
    /// Reads the secret: an object from base URLs to keys.
    pub fn parse(text: &str) -> Result<Self, BadCredentials> {
        let written: std::collections::BTreeMap<String, Written> =
            json::read(text).map_err(|_| BadCredentials::Form)?;
        let read = |(url, written): (String, Written)| {
            let credential = match written {
                Written::Bearer(token) if !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()) => {
                    Credential::Bearer(token)
                }
                Written::Bearer(_) => return Err(BadCredentials::Bearer),
                Written::Cdp { key_id, key_secret } => {
                    Credential::Cdp(CdpKey { id: key_id, key: SigningKey::parse(&key_secret)? })
                }
            };
            Ok((url.trim_end_matches('/').to_owned(), credential))
        };
        written.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The key for a call to this URL: only calls below the base URL it was given for get it.
    pub fn for_url(&self, url: &str) -> Option<&Credential> {
        let below = |base: &str| url.strip_prefix(base).is_some_and(|rest| rest.starts_with('/'));
        self.0.iter().find(|(base, _)| below(base)).map(|(_, credential)| credential)
    }
}

impl SigningKey {
    fn parse(text: &str) -> Result<Self, BadCredentials> {
        if let Some(body) = text.trim().strip_prefix("-----BEGIN PRIVATE KEY-----") {
            let body = body.split("-----END PRIVATE KEY-----").next().unwrap_or_default();
            let body: String = body.replace("\\n", "").split_whitespace().collect();
            let pkcs8 = STANDARD.decode(body).map_err(|_| BadCredentials::Key)?;
            return Ok(Self::P256 { pkcs8 });
        }
        let bytes = STANDARD.decode(text.trim()).map_err(|_| BadCredentials::Key)?;
        match bytes.split_at_checked(32) {
            Some((seed, public)) if public.len() == 32 => {
                Ok(Self::Ed25519 { d: URL_SAFE_NO_PAD.encode(seed), x: URL_SAFE_NO_PAD.encode(public) })
            }
            _ => Err(BadCredentials::Key),
        }
    }

    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Ed25519 { .. } => "EdDSA",
            Self::P256 { .. } => "ES256",
        }
    }
}

impl CdpKey {
    /// The key that signs.
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Header and claims of the token for one call, ready to be signed. `nonce` is random.
    pub fn signing_input(&self, method: &str, url: &str, now: UnixTime, nonce: [u8; 16]) -> String {
        let target = url.split_once("://").map_or(url, |(_, target)| target);
        let header = json!({ "alg": self.key.algorithm(), "kid": self.id, "typ": "JWT", "nonce": hex::encode(nonce) });
        let claims = json!({
            "sub": self.id,
            "iss": "cdp",
            "uris": [format!("{method} {target}")],
            "iat": now.0,
            "nbf": now.0,
            "exp": now.plus(JWT_SECONDS).0,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}", part(&header), part(&claims))
    }

    /// The token: what was signed, and the signature (64 bytes, r and s).
    pub fn token(signing_input: &str, signature: &[u8]) -> String {
        format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} secret)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Credentials, BadCredentials> {
        Credentials::parse(text)
    }

    #[test]
    fn a_key_goes_to_its_own_facilitator_only() {
        let keys = parse(r#"{"https://f.example/x402/": {"bearer": "abc"}}"#).unwrap();
        assert!(
            matches!(keys.for_url("https://f.example/x402/verify"), Some(Credential::Bearer(token)) if token == "abc")
        );
        for url in [
            "https://f.example/x402",
            "https://f.example/x402x/verify",
            "https://f.example.evil/x402/verify",
            "http://f.example/x402/verify",
        ] {
            assert!(keys.for_url(url).is_none(), "{url}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_quoted() {
        for (text, error) in [
            ("s3cret", BadCredentials::Form),
            (r#"{"https://f": {"token": "s3cret"}}"#, BadCredentials::Form),
            (r#"{"https://f": {"bearer": "s3\ncret"}}"#, BadCredentials::Bearer),
            (r#"{"https://f": {"cdp": {"keyId": "a", "keySecret": "s3cret"}}}"#, BadCredentials::Key),
            (r#"{"https://f": {"cdp": {"keyId": "a", "keySecret": "AAAA"}}}"#, BadCredentials::Key),
        ] {
            let refused = parse(text).unwrap_err();
            assert_eq!(refused, error);
            assert!(!refused.to_string().contains("s3cret"));
        }
        let keys = parse(r#"{"https://f": {"bearer": "s3cret"}}"#).unwrap();
        assert!(!format!("{keys:?}").contains("s3cret"));
    }

    #[test]
    fn a_token_names_the_one_call_it_is_for() {
        let secret = STANDARD.encode([7; 64]);
        let text =
            json!({"https://api.cdp.coinbase.com/platform/v2/x402": {"cdp": {"keyId": "k", "keySecret": secret}}});
        let keys = parse(&text.to_string()).unwrap();
        let url = "https://api.cdp.coinbase.com/platform/v2/x402/verify";
        let Some(Credential::Cdp(key)) = keys.for_url(url) else { panic!("no key") };
        let input = key.signing_input("POST", url, UnixTime(1000), [1; 16]);
        let part = |index| {
            let part: &str = input.split('.').nth(index).unwrap();
            serde_json::from_slice::<serde_json::Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
        };
        assert_eq!(part(0), json!({"alg": "EdDSA", "kid": "k", "typ": "JWT", "nonce": "01".repeat(16)}));
        assert_eq!(
            part(1),
            json!({"sub": "k", "iss": "cdp", "uris": ["POST api.cdp.coinbase.com/platform/v2/x402/verify"], "iat": 1000, "nbf": 1000, "exp": 1120})
        );
    }
}
