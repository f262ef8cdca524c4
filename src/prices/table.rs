//! The price table: a document that is safe to use, and what it says about a request.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::{
    network::Network,
    schemes::SmartWallets,
    transports::http::encode_header,
    x402::{PaymentRequired, PaymentRequirements, ResourceInfo, v1},
};

use super::{
    Diagnosis, Method, Methods, Pattern,
    document::{DEFAULT_FACILITATOR_TIMEOUT, Document, RouteEntry},
    readings,
    target::Target,
};

/// A longer URL is named without its query, or by its origin alone: with it the 402's header would be longer
/// than clients take.
const MAX_URL_BYTES: usize = 2048;

/// A 402's header may be so long without its URL. Node.js clients fail on 16 KB of headers in all.
const MAX_CHALLENGE_BYTES: usize = 8 * 1024;

/// Prices, ready to be looked up. The only way in is [`PriceTable::parse`].
#[derive(Debug)]
pub struct PriceTable {
    facilitators: Vec<String>,
    smart_wallets: SmartWallets,
    public_url: Option<String>,
    fold_case: bool,
    rpc: Vec<(Network, Vec<String>)>,
    facilitator_timeout: Duration,
    /// The most specific first.
    routes: Vec<Route>,
}

/// One priced route.
#[derive(Debug)]
pub struct Route {
    key: String,
    method: Option<Method>,
    pattern: Pattern,
    accepts: Vec<PaymentRequirements>,
    resource: ResourceInfo,
    extensions: Map<String, Value>,
}

/// What a request costs.
#[derive(Debug)]
pub enum Decision<'a> {
    /// Nothing, however the request is read.
    Free,
    /// What this route says, in at least one reading, and no other route in any.
    Priced(&'a Route),
    /// Different readings have different prices, or there are too many readings: no honest client.
    Ambiguous,
}

impl PriceTable {
    /// Reads a document whole, or tells everything that is wrong with it.
    ///
    /// 1. It is JSON, an object, without duplicate and unknown keys.
    /// 2. Every value has its form; every offer is complete after defaults.
    /// 3. No two routes cover the same paths with the same method.
    /// 4. There is a facilitator where anything is priced.
    /// 5. No route's 402 is longer than clients take.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnosis>> {
        let mut problems = Vec::new();
        let document = Document::read(text, &mut problems);
        match document {
            Some(document) => Self::compile(document, problems),
            None => Err(problems),
        }
    }

    /// The table of a site where nothing is priced.
    pub const fn empty() -> Self {
        Self {
            facilitators: Vec::new(),
            smart_wallets: SmartWallets::Refuse,
            public_url: None,
            fold_case: true,
            rpc: Vec::new(),
            facilitator_timeout: DEFAULT_FACILITATOR_TIMEOUT,
            routes: Vec::new(),
        }
    }

    fn compile(document: Document, mut problems: Vec<Diagnosis>) -> Result<Self, Vec<Diagnosis>> {
        let mut entries = document.routes;
        // Of equally specific patterns a named method comes first; the pointer only makes the order total.
        entries.sort_by(|a, b| {
            let named = |entry: &RouteEntry| entry.method.is_some();
            b.pattern.specificity(&a.pattern).then(named(b).cmp(&named(a))).then(a.pointer.cmp(&b.pointer))
        });
        for (index, entry) in entries.iter().enumerate() {
            let same = |other: &&RouteEntry| other.pattern == entry.pattern && other.method == entry.method;
            if let Some(other) = entries[..index].iter().find(same) {
                let message = format!("covers the same requests as {}; keep one", other.pointer);
                problems.push(Diagnosis::new(&entry.pointer, message));
            }
        }
        for entry in &entries {
            let challenge = PaymentRequired::new("", &entry.resource, &entry.accepts, &entry.extensions);
            let bytes = encode_header(&challenge).len();
            if bytes > MAX_CHALLENGE_BYTES {
                let message = format!(
                    "the header of this route's 402 would have {bytes} bytes, {MAX_CHALLENGE_BYTES} are allowed: \
                     shorten the description and extensions, or offer fewer ways to pay"
                );
                problems.push(Diagnosis::new(&entry.pointer, message));
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let routes = entries.into_iter().map(Route::from).collect();
        Ok(Self {
            facilitators: document.facilitators,
            smart_wallets: document.smart_wallets,
            public_url: document.public_url,
            fold_case: document.fold_case,
            rpc: document.rpc,
            facilitator_timeout: document.facilitator_timeout,
            routes,
        })
    }

    /// What a request costs, given the methods it may be taken for.
    pub fn decide(&self, path: &str, methods: &Methods) -> Decision<'_> {
        if self.routes.is_empty() {
            return Decision::Free;
        }
        let Ok(readings) = readings(path, self.fold_case) else {
            return Decision::Ambiguous;
        };
        let mut priced: Option<&Route> = None;
        for reading in &readings {
            for route in self.routes_of(reading, methods) {
                match priced {
                    Some(first) if !std::ptr::eq(first, route) => return Decision::Ambiguous,
                    _ => priced = Some(route),
                }
            }
        }
        priced.map_or(Decision::Free, Decision::Priced)
    }

    /// For each method that may be meant, the most specific route that covers the path.
    fn routes_of(&self, reading: &str, methods: &Methods) -> Vec<&Route> {
        let covering = self.routes.iter().filter(|route| route.pattern.matches(reading));
        match methods {
            // Whatever is asked for, one of these answers: a dearer one may hide behind the first.
            Methods::Any => covering.collect(),
            Methods::These(methods) => {
                let covering: Vec<&Route> = covering.collect();
                let first = |method: &Method| covering.iter().copied().find(|route| route.is_for(method));
                methods.iter().filter_map(first).collect()
            }
        }
    }

    /// Whether the path has a price for any method, in any reading. Too many readings count as priced.
    pub fn is_priced(&self, path: &str) -> bool {
        let covered = |reading: &String| self.routes.iter().any(|route| route.pattern.matches(reading));
        !self.routes.is_empty() && readings(path, self.fold_case).map_or(true, |readings| readings.iter().any(covered))
    }

    /// The facilitators' base URLs, without a slash at the end, in the owner's order.
    pub fn facilitators(&self) -> &[String] {
        &self.facilitators
    }

    /// What to do with contract wallets' signatures.
    pub const fn smart_wallets(&self) -> SmartWallets {
        self.smart_wallets
    }

    /// How long one request waits for facilitators in all.
    pub const fn facilitator_timeout(&self) -> Duration {
        self.facilitator_timeout
    }

    /// URLs at which a chain can be asked, where the owner has given any.
    pub fn rpc(&self, network: Network) -> &[String] {
        self.rpc.iter().find(|(known, _)| *known == network).map_or(&[], |(_, urls)| urls)
    }

    /// The same for all networks.
    pub fn rpcs(&self) -> &[(Network, Vec<String>)] {
        &self.rpc
    }

    /// Scheme and host that clients use, where the owner has said it.
    pub fn public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// How many routes are priced.
    pub const fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether nothing is priced.
    pub const fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }
}

impl Route {
    fn is_for(&self, method: &Method) -> bool {
        self.method.as_ref().is_none_or(|named| named == method)
    }

    /// Its key in the document, such as `GET /articles/:slug`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The v2 offers, in the owner's order.
    pub fn accepts(&self) -> &[PaymentRequirements] {
        &self.accepts
    }

    /// The offers that v1 can express, for this resource.
    pub fn accepts_v1(&self, resource: &ResourceInfo) -> Vec<PaymentRequirements> {
        self.accepts.iter().filter_map(|offer| v1::requirements(offer, resource)).collect()
    }

    /// Extensions that the owner advertises.
    pub const fn extensions(&self) -> &Map<String, Value> {
        &self.extensions
    }

    /// What is sold to this request: the owner's `resource`, else its own URL under `public_url`.
    pub fn resource(&self, target: &Target<'_>, public_url: Option<&str>) -> ResourceInfo {
        let mut resource = self.resource.clone();
        if resource.url.is_empty() {
            let origin = public_url.map_or_else(|| target.origin(), str::to_owned);
            let fits = |parts: &&&[&str]| parts.iter().map(|part| part.len()).sum::<usize>() <= MAX_URL_BYTES;
            let longest = [&[origin.as_str(), target.path, target.query][..], &[origin.as_str(), target.path]];
            resource.url = longest.iter().find(fits).map_or_else(|| format!("{origin}/"), |parts| parts.concat());
        }
        resource
    }
}

impl From<RouteEntry> for Route {
    fn from(entry: RouteEntry) -> Self {
        let RouteEntry { pointer: _, key, method, pattern, accepts, resource, extensions } = entry;
        Self { key, method, pattern, accepts, resource, extensions }
    }
}
