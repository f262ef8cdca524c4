//! Names of everything that `wrangler.toml` gives the Worker, and what happens without it.

use std::{cell::RefCell, rc::Rc};

use js_sys::Reflect;
use wasm_bindgen::{JsCast, JsValue};

use super::{database::Database, host::Host, ledger_stub::LedgerStub, origin::OriginSite};
use crate::{
    evm::{BadKey, Signer},
    facilitator::Credentials,
    passes::{BadKeys, Keys},
    ports::Journal,
    prices::{PriceTable, Snapshot, Target},
};

/// KV namespace with the price document. Without it every path is 503: what is priced cannot be known.
pub(super) const PRICES: &str = "PRICES";

/// Durable Object namespace of the ledger, class `LedgerObject`. Without it payments are not remembered:
/// copies of one may reach the origin together, and a lost settlement stays lost.
pub(super) const LEDGER: &str = "LEDGER";

/// Durable Object namespace of payment channels and their tills, class `ChannelObject`. Without it nothing is sold by
/// channel.
const CHANNELS: &str = "CHANNELS";

/// Durable Object namespace of the prices' history, class `PriceHistoryObject`. Without it an isolate that starts
/// while the document in KV is broken, or KV is down, serves nothing, and one that starts after an edit does not
/// honour the prices before.
const PRICE_HISTORY: &str = "PRICE_HISTORY";

/// Durable Object namespace of free quotas, class `QuotaObject`. Without it no request is free by a quota.
const QUOTA: &str = "QUOTA";

/// D1 database with the owner's books. Without it payments are settled all the same, but no table of them is kept.
const DB: &str = "DB";

/// Service binding to the origin, another Worker. Comes before [`ORIGIN_URL`].
const ORIGIN: &str = "ORIGIN";

/// Secret: keys for facilitators, JSON from base URL to `{"bearer": …}` or `{"cdp": {"keyId", "keySecret"}}`.
/// Without it facilitators are called without a key.
const FACILITATOR_KEYS: &str = "FACILITATOR_KEYS";

/// Secret: keys of passes, JSON `{kid: base64url}`; the first signs. Without it, or where it cannot be read, no passes
/// are sold and none open anything: requests pay.
const PASS_KEYS: &str = "PASS_KEYS";

/// Secret: the private key that signs claims and refunds of channels, `0x` and 64 digits; after a blank or comma older
/// ones, for channels that were opened with them. Without it a facilitator's key signs; where it cannot be read, nothing
/// is sold by channel.
const RECEIVER_AUTHORIZER_KEY: &str = "RECEIVER_AUTHORIZER_KEY";

/// Variable: scheme and host of the origin, such as `https://origin.example.com`. Without it and
/// [`ORIGIN`], requests go on to the zone's own DNS origin, as for any Worker on a route.
const ORIGIN_URL: &str = "ORIGIN_URL";

/// What the bindings say.
pub(super) struct Bindings {
    pub(super) origin: OriginSite,
    pub(super) ledger: Option<LedgerStub>,
}

/// Why requests cannot be served with these bindings.
#[derive(Debug, thiserror::Error)]
pub(super) enum Misconfigured {
    /// It is not a plain origin.
    #[error("ORIGIN_URL must be scheme and host only, such as \"https://origin.example.com\"")]
    OriginUrl,
    /// On a developer's machine and on workers.dev there is no DNS origin: the Worker would call itself for ever.
    #[error("no origin: set ORIGIN_URL, or bind a service as ORIGIN")]
    NoOrigin,
}

impl Bindings {
    /// Reads the bindings for a request to `url`.
    pub(super) fn read(env: &JsValue, url: &str) -> Result<Self, Misconfigured> {
        let get =
            |name: &str| Reflect::get(env, &name.into()).ok().filter(|value| !value.is_undefined() && !value.is_null());
        let ledger = ledger(env);
        if let Some(service) = get(ORIGIN) {
            return Ok(Self { origin: OriginSite::Service(service.unchecked_into()), ledger });
        }
        let origin = match get(ORIGIN_URL).and_then(|value| value.as_string()).filter(|url| !url.is_empty()) {
            Some(text) => match Target::parse(&text) {
                Ok(target) if target.path == "/" && target.query.is_empty() => OriginSite::Url(target.origin()),
                _ => return Err(Misconfigured::OriginUrl),
            },
            None if has_no_origin(url) => return Err(Misconfigured::NoOrigin),
            None => OriginSite::Dns,
        };
        Ok(Self { origin, ledger })
    }
}

/// What a request that was dealt with in full has found in the bindings, for those that need no more than this.
#[derive(Debug, Clone)]
pub(super) struct Known {
    /// The origin's scheme and host, where it has its own.
    pub(super) origin_url: Option<String>,
    /// Whether requests go to whatever the zone's DNS says.
    by_dns: bool,
    /// Whether payments are remembered.
    pub(super) ledger: bool,
}

thread_local! {
    static KNOWN: RefCell<Option<Known>> = const { RefCell::new(None) };
}

/// Forgets what the bindings said. A deployment that changes nothing else may go on with the isolates that are there: then
/// they get another `env`.
pub(super) fn forget() {
    KNOWN.take();
    PASSES.take();
    CHANNEL_KEYS.take();
}

impl Known {
    /// Keeps what was found.
    pub(super) fn keep(bindings: &Bindings) {
        KNOWN.with_borrow_mut(|known| {
            known.get_or_insert_with(|| Self {
                origin_url: bindings.origin.url().map(str::to_owned),
                by_dns: matches!(bindings.origin, OriginSite::Dns),
                ledger: bindings.ledger.is_some(),
            });
        });
    }

    /// Whether nothing has been found yet.
    pub(super) fn is_none() -> bool {
        KNOWN.with_borrow(Option::is_none)
    }

    /// Does something with it, if a request to `url` can be served by it.
    pub(super) fn with<T>(url: &str, work: impl FnOnce(&Self) -> Option<T>) -> Option<T> {
        KNOWN.with_borrow(|known| known.as_ref().filter(|known| !(known.by_dns && has_no_origin(url))).and_then(work))
    }
}

/// The ledger's objects, where there are any.
pub(super) fn ledger(env: &JsValue) -> Option<LedgerStub> {
    let get = |name: &str| Reflect::get(env, &name.into()).ok().filter(JsValue::is_object);
    get(LEDGER).map(|namespace| LedgerStub::new(namespace, get(CHANNELS)))
}

/// The prices' history, where it is kept.
pub(super) fn price_history(env: &JsValue) -> Option<JsValue> {
    Reflect::get(env, &PRICE_HISTORY.into()).ok().filter(JsValue::is_object)
}

/// The counters of free requests, where there are any.
pub(super) fn quota(env: &JsValue) -> Option<JsValue> {
    Reflect::get(env, &QUOTA.into()).ok().filter(JsValue::is_object)
}

/// The owner's books, where there is a database.
pub(super) fn database(env: &JsValue) -> Option<Database> {
    let database = Reflect::get(env, &DB.into()).ok()?;
    database.is_object().then(|| Database::new(database))
}

/// The facilitators' keys. A secret that cannot be read is told; the facilitators' refusals follow.
pub(super) fn credentials(env: &JsValue) -> Credentials {
    let text = Reflect::get(env, &FACILITATOR_KEYS.into()).ok().and_then(|value| value.as_string());
    match text.filter(|text| !text.is_empty()).map(|text| Credentials::parse(&text)) {
        None => Credentials::default(),
        Some(Ok(credentials)) => credentials,
        Some(Err(error)) => {
            Host.fault(&format!("{FACILITATOR_KEYS}: {error}"));
            Credentials::default()
        }
    }
}

type PassKeys = Rc<Result<Keys, BadKeys>>;

thread_local! {
    /// What the secret says.
    static PASSES: RefCell<Option<PassKeys>> = const { RefCell::new(None) };
}

/// The keys of passes, where they have been read and are good.
pub(super) fn known_pass_keys() -> Option<PassKeys> {
    PASSES.with_borrow(Clone::clone).filter(|keys| keys.is_ok())
}

/// The keys of passes, read once. If there are none where they are needed, that is told once.
pub(super) fn pass_keys(env: &JsValue, prices: &Snapshot) -> PassKeys {
    if let Some(keys) = PASSES.with_borrow(Clone::clone) {
        return keys;
    }
    let text = Reflect::get(env, &PASS_KEYS.into()).ok().and_then(|value| value.as_string());
    let keys = Rc::new(match text.filter(|text| !text.is_empty()) {
        None => Err(BadKeys::Missing),
        Some(text) => Keys::parse(&text),
    });
    let sells = prices.table().is_some_and(PriceTable::sells_passes);
    match &*keys {
        Ok(_) => {}
        Err(BadKeys::Missing) if !sells => return keys,
        Err(error) => Host.fault(&format!("no passes are sold or accepted: {error}")),
    }
    PASSES.set(Some(Rc::clone(&keys)));
    keys
}

/// The receiver's keys, or why there are none.
pub(super) type ChannelKeys = Rc<Result<Vec<Signer>, BadKey>>;

thread_local! {
    /// What the secret says.
    static CHANNEL_KEYS: RefCell<Option<ChannelKeys>> = const { RefCell::new(None) };
}

/// The receiver's keys, read once. One that cannot be read is told once.
pub(super) fn channel_keys(env: &JsValue) -> ChannelKeys {
    if let Some(keys) = CHANNEL_KEYS.with_borrow(Clone::clone) {
        return keys;
    }
    let text = Reflect::get(env, &RECEIVER_AUTHORIZER_KEY.into()).ok().and_then(|value| value.as_string());
    let text = text.unwrap_or_default();
    let parts = text.split(|c: char| c.is_whitespace() || c == ',').filter(|part| !part.is_empty());
    let keys: ChannelKeys = Rc::new(parts.map(Signer::from_hex).collect());
    if let Err(error) = &*keys {
        Host.fault(&format!("nothing is sold by channel: {RECEIVER_AUTHORIZER_KEY}: {error}"));
    }
    CHANNEL_KEYS.set(Some(Rc::clone(&keys)));
    keys
}

/// A developer's machine, or the Worker's own name at Cloudflare.
fn has_no_origin(url: &str) -> bool {
    Target::parse(url).is_ok_and(|target| {
        let host = target.authority.rsplit_once(':').map_or(target.authority, |(host, _)| host);
        host == "localhost" || host == "[::1]" || host.starts_with("127.") || host.ends_with(".workers.dev")
    })
}
