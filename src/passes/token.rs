//! A pass as a compact JWS (RFC 7515 §3.1) with HS256 (RFC 7518 §3.2), read as strictly as it is written.
//!
//! The header is never parsed: a pass begins with the very bytes that one of our keys writes, or it is none. So no
//! header can choose an algorithm or bring a key along.

use std::{fmt, rc::Rc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac, digest::array::Array};
use sha2::Sha256;

use crate::{json, ledger::Pass};

use super::{Keys, seen::Tag};

/// Longer passes are neither issued nor read. Browsers keep cookies of 4,096 bytes.
pub(super) const MAX_BYTES: usize = 2048;

/// One of our keys, ready to be used.
pub(super) struct Key {
    /// The JOSE header of its passes, base64url.
    header: String,
    mac: Hmac<Sha256>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Key {
    /// The key `kid`, whose name has only characters that JSON leaves alone.
    pub(super) fn new(kid: &str, key: &[u8]) -> Option<Self> {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"x402-pass"}}"#));
        Some(Self { header, mac: Hmac::new_from_slice(key).ok()? })
    }

    fn tag_of(&self, signed: &str) -> Tag {
        self.mac.clone().chain_update(signed).finalize()
    }
}

impl Keys {
    /// Signs a pass with the first key; none where it would be too long.
    pub fn sign(&self, pass: &Pass) -> Option<String> {
        let key = self.signing()?;
        let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(pass).ok()?);
        let signed = format!("{}.{claims}", key.header);
        let mac = URL_SAFE_NO_PAD.encode(key.tag_of(&signed).into_bytes());
        Some(format!("{signed}.{mac}")).filter(|token| token.len() <= MAX_BYTES)
    }

    /// What a token says, if one of our keys signed it, to the byte. Whether it is of any use is another question.
    pub fn read(&self, token: &str) -> Option<Rc<Pass>> {
        if token.len() > MAX_BYTES {
            return None;
        }
        let (signed, mac) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let key = self.iter().find(|key| key.header == header)?;
        let tag = Tag::new(Array::try_from(URL_SAFE_NO_PAD.decode(mac).ok()?.as_slice()).ok()?);
        self.seen.get(signed, &tag).or_else(|| {
            if key.tag_of(signed) != tag {
                return None;
            }
            let pass = json::read(std::str::from_utf8(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?).ok()?;
            let pass = Rc::new(pass);
            self.seen.keep(signed, tag, &pass);
            Some(pass)
        })
    }
}
