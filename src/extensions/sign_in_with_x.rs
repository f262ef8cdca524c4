//! `sign-in-with-x` (CAIP-122): a wallet shows by a signed message who it is, in place of a payment.
//!
//! EVM wallets with a key of their own only: EIP-4361 text, signed as EIP-191 says. What a contract wallet signs can
//! only be judged on its chain.

use serde_json::{Value, json};

use crate::evm::{Address, Hash32, SignatureForm, keccak256};

use super::iso8601;

/// The extension's key.
pub const SIGN_IN_WITH_X: &str = "sign-in-with-x";

/// A message is taken for so long after it was issued, in milliseconds: five minutes.
pub const MAX_AGE_MILLIS: u64 = 5 * 60 * 1000;

const TYPE: &str = "eip191";
const MIN_NONCE_BYTES: usize = 8;
const MAX_NONCE_BYTES: usize = 128;
const MAX_RESOURCES: usize = 16;

/// What the header `SIGN-IN-WITH-X` carries: the message's parts, and the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    domain: String,
    address: String,
    statement: Option<String>,
    uri: String,
    version: String,
    chain_id: String,
    kind: String,
    nonce: String,
    issued_at: String,
    expiration_time: Option<String>,
    not_before: Option<String>,
    request_id: Option<String>,
    resources: Option<Vec<String>>,
    signature: String,
}

/// A wallet that has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIn {
    /// The wallet.
    pub payer: Address,
    /// Must be new.
    pub nonce: String,
    /// Milliseconds since 1970 at which the message is too old to be used again.
    pub until_millis: u64,
}

/// Why a proof shows nothing, in the specification's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadProof(pub &'static str);

impl Proof {
    /// Reads the JSON in the header.
    pub fn read(json: &[u8]) -> Result<Self, BadProof> {
        let malformed = BadProof("invalid_siwx_payload");
        let text = std::str::from_utf8(json).map_err(|_| malformed)?;
        let json: Value = serde_json::from_str(text).map_err(|_| malformed)?;
        let optional = |key: &str| match json.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(malformed),
        };
        let text = |key: &str| optional(key)?.ok_or(malformed);
        let resources = match json.get("resources") {
            None | Some(Value::Null) => None,
            Some(Value::Array(items)) => {
                let items = items.iter().map(|item| item.as_str().map(str::to_owned));
                Some(items.collect::<Option<Vec<String>>>().ok_or(malformed)?)
            }
            Some(_) => return Err(malformed),
        };
        let proof = Self {
            domain: text("domain")?,
            address: text("address")?,
            statement: optional("statement")?,
            uri: text("uri")?,
            version: text("version")?,
            chain_id: text("chainId")?,
            kind: text("type")?,
            nonce: text("nonce")?,
            issued_at: text("issuedAt")?,
            expiration_time: optional("expirationTime")?,
            not_before: optional("notBefore")?,
            request_id: optional("requestId")?,
            resources,
            signature: text("signature")?,
        };
        if proof.texts().any(|text| text.chars().any(char::is_control)) {
            // A line break would make other lines of the message.
            return Err(malformed);
        }
        Ok(proof)
    }

    /// Who signed in to the site at `origin` (scheme and host, as the owner configured them), for one of `chains`,
    /// at `now`, in milliseconds.
    pub fn check(&self, origin: &str, chains: &[String], now: u64) -> Result<SignedIn, BadProof> {
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        if !self.domain.eq_ignore_ascii_case(host) {
            return Err(BadProof("invalid_siwx_domain_mismatch"));
        }
        if !is_at(&self.uri, origin) {
            return Err(BadProof("invalid_siwx_uri_mismatch"));
        }
        let issued = iso8601::parse(&self.issued_at).ok_or(BadProof("invalid_siwx_issued_at"))?;
        if issued > now {
            return Err(BadProof("invalid_siwx_issued_at_in_future"));
        }
        if now - issued > MAX_AGE_MILLIS {
            return Err(BadProof("invalid_siwx_issued_at_too_old"));
        }
        let time = |text: &Option<String>, code| text.as_deref().map(|text| iso8601::parse(text).ok_or(BadProof(code)));
        if time(&self.expiration_time, "invalid_siwx_expiration_time").transpose()?.is_some_and(|at| at < now) {
            return Err(BadProof("invalid_siwx_expired"));
        }
        if time(&self.not_before, "invalid_siwx_not_before").transpose()?.is_some_and(|at| at > now) {
            return Err(BadProof("invalid_siwx_not_yet_valid"));
        }
        let plain = self.nonce.bytes().all(|b| b.is_ascii_alphanumeric());
        if !plain || !(MIN_NONCE_BYTES..=MAX_NONCE_BYTES).contains(&self.nonce.len()) {
            return Err(BadProof("invalid_siwx_nonce"));
        }
        if self.version != "1" || self.kind != TYPE || !chains.contains(&self.chain_id) {
            return Err(BadProof("invalid_siwx_unsupported_chain"));
        }
        let payer = self.signer().ok_or(BadProof("invalid_siwx_signature"))?;
        Ok(SignedIn { payer, nonce: self.nonce.clone(), until_millis: issued.saturating_add(MAX_AGE_MILLIS) })
    }

    /// The address that the proof names, if its own key made the signature.
    fn signer(&self) -> Option<Address> {
        let address: Address = self.address.parse().ok()?;
        let bytes = hex::decode(self.signature.strip_prefix("0x")?).ok()?;
        let SignatureForm::Ecdsa(signature) = SignatureForm::of(&bytes) else { return None };
        let recovered = signature.recover(&self.digest())?;
        // EIP-4361 writes addresses with their checksum.
        (recovered.low_s && recovered.address == address && address.to_string() == self.address).then_some(address)
    }

    /// The text that was signed (EIP-4361), to the letter.
    pub fn message(&self) -> String {
        let chain = self.chain_id.strip_prefix("eip155:").unwrap_or(&self.chain_id);
        let mut lines = vec![
            format!("{} wants you to sign in with your Ethereum account:", self.domain),
            self.address.clone(),
            String::new(),
        ];
        lines.extend(self.statement.iter().filter(|text| !text.is_empty()).cloned());
        lines.extend([
            String::new(),
            format!("URI: {}", self.uri),
            format!("Version: {}", self.version),
            format!("Chain ID: {chain}"),
            format!("Nonce: {}", self.nonce),
            format!("Issued At: {}", self.issued_at),
        ]);
        let more = [
            ("Expiration Time", &self.expiration_time),
            ("Not Before", &self.not_before),
            ("Request ID", &self.request_id),
        ];
        lines.extend(more.iter().filter_map(|(name, value)| Some(format!("{name}: {}", value.as_ref()?))));
        if let Some(resources) = &self.resources {
            lines.push("Resources:".to_owned());
            lines.extend(resources.iter().take(MAX_RESOURCES).map(|resource| format!("- {resource}")));
        }
        lines.join("\n")
    }

    /// What the wallet signed (EIP-191 `personal_sign`).
    pub fn digest(&self) -> Hash32 {
        let message = self.message();
        keccak256(format!("\x19Ethereum Signed Message:\n{}{message}", message.len()).as_bytes())
    }

    fn texts(&self) -> impl Iterator<Item = &String> {
        let needed = [&self.domain, &self.address, &self.uri, &self.version, &self.chain_id, &self.nonce];
        let optional =
            [&self.statement, &self.expiration_time, &self.not_before, &self.request_id].into_iter().flatten();
        needed.into_iter().chain([&self.issued_at]).chain(optional).chain(self.resources.iter().flatten())
    }
}

/// Whether a URI belongs to an origin.
fn is_at(uri: &str, origin: &str) -> bool {
    let Some(head) = uri.get(..origin.len()) else { return false };
    head.eq_ignore_ascii_case(origin) && (uri.len() == origin.len() || uri[origin.len()..].starts_with(['/', '?', '#']))
}

/// What one 402 advertises: sign in to `origin` for `path`, with a wallet on one of `chains`; `nonce` must never have
/// been used, `now` is in milliseconds.
pub fn declaration(origin: &str, path: &str, chains: &[String], nonce: &[u8; 16], now: u64) -> Value {
    let domain = origin.split_once("://").map_or(origin, |(_, host)| host);
    let uri = format!("{origin}{path}");
    let chains: Vec<Value> = chains.iter().map(|chain| json!({ "chainId": chain, "type": TYPE })).collect();
    json!({
        "info": {
            "domain": domain,
            "uri": uri,
            "version": "1",
            "nonce": hex::encode(nonce),
            "issuedAt": iso8601::write(now),
            "expirationTime": iso8601::write(now.saturating_add(MAX_AGE_MILLIS)),
            "resources": [uri],
        },
        "supportedChains": chains,
        "schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "required": ["domain", "address", "uri", "version", "chainId", "type", "nonce", "issuedAt", "signature"],
        },
    })
}
