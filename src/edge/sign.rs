//! Signatures by the runtime's `WebCrypto`, for facilitators that want a signed token with each call.

use js_sys::{Array, Function, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use super::host::Host;
use crate::{
    facilitator::{CdpKey, Credential, SigningKey},
    ports::Clock,
};

/// The value of `Authorization` for one call.
pub(super) async fn authorization(credential: &Credential, method: &str, url: &str) -> Result<String, JsValue> {
    Ok(match credential {
        Credential::Bearer(token) => format!("Bearer {token}"),
        Credential::Cdp(key) => {
            let input = key.signing_input(method, url, Host.now(), random()?);
            let signature = sign(key.key(), input.as_bytes()).await?;
            format!("Bearer {}", CdpKey::token(&input, &signature))
        }
    })
}

fn crypto() -> Result<JsValue, JsValue> {
    Reflect::get(&js_sys::global(), &"crypto".into())
}

/// Random bytes of the runtime's.
pub(super) fn random() -> Result<[u8; 16], JsValue> {
    let crypto = crypto()?;
    let bytes = Uint8Array::new_with_length(16);
    let fill: Function = Reflect::get(&crypto, &"getRandomValues".into())?.dyn_into()?;
    fill.call1(&crypto, &bytes)?;
    let mut out = [0; 16];
    bytes.copy_to(&mut out);
    Ok(out)
}

async fn sign(key: &SigningKey, data: &[u8]) -> Result<Vec<u8>, JsValue> {
    let subtle = Reflect::get(&crypto()?, &"subtle".into())?;
    let (format, material, algorithm): (&str, JsValue, Object) = match key {
        SigningKey::Ed25519 { d, x } => {
            let jwk = object(&[("kty", "OKP"), ("crv", "Ed25519"), ("d", d), ("x", x)])?;
            ("jwk", jwk.into(), object(&[("name", "Ed25519")])?)
        }
        SigningKey::P256 { pkcs8 } => {
            let algorithm = object(&[("name", "ECDSA"), ("namedCurve", "P-256"), ("hash", "SHA-256")])?;
            ("pkcs8", Uint8Array::from(pkcs8.as_slice()).into(), algorithm)
        }
    };
    let usages = Array::of1(&"sign".into());
    let imported =
        call(&subtle, "importKey", &[format.into(), material, algorithm.clone().into(), false.into(), usages.into()])
            .await?;
    let signature = call(&subtle, "sign", &[algorithm.into(), imported, Uint8Array::from(data).into()]).await?;
    Ok(Uint8Array::new(&signature).to_vec())
}

async fn call(target: &JsValue, name: &str, arguments: &[JsValue]) -> Result<JsValue, JsValue> {
    let function: Function = Reflect::get(target, &name.into())?.dyn_into()?;
    let promise: Promise = function.apply(target, &arguments.iter().collect::<Array>())?.dyn_into()?;
    JsFuture::from(promise).await
}

fn object(members: &[(&str, &str)]) -> Result<Object, JsValue> {
    let object = Object::new();
    for (key, value) in members {
        Reflect::set(&object, &(*key).into(), &(*value).into())?;
    }
    Ok(object)
}
