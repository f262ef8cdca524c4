//! The price document: its keys, and what each must be. `docs/prices.md` tells it to owners.

use std::time::Duration;

use crate::schemes::SmartWallets;

use super::{
    Claims, Diagnosis, Revoked, Route,
    diagnosis::keep,
    host::read_host_name,
    json::{Members, Node},
    scope::{self, Scope},
    token::Tokens,
    url::{read_facilitators, read_origin},
};

/// How long a request waits for facilitators in all, where the document is silent.
pub(super) const DEFAULT_FACILITATOR_TIMEOUT: Duration = Duration::from_secs(10);

/// 6 s of it are kept for settling, and verifying needs some.
const MIN_FACILITATOR_TIMEOUT_SECONDS: u64 = 8;
/// Nobody waits longer for a page.
const MAX_FACILITATOR_TIMEOUT_SECONDS: u64 = 60;

const DOCUMENT_KEYS: [&str; 14] = [
    "$schema",
    "facilitators",
    "facilitatorTimeoutSeconds",
    "smartWallets",
    "publicUrl",
    "rpc",
    "networks",
    "tokens",
    "caseSensitive",
    "grace",
    "passes",
    "claims",
    "hosts",
    "routes",
];
const HOST_KEYS: [&str; 2] = ["publicUrl", "routes"];

/// KV would store 25 MB. More than this takes an isolate longer to read than a request may last.
pub(super) const MAX_BYTES: usize = 5_000_000;
const MAX_ROUTES: usize = 20_000;
const MAX_HOSTS: usize = 1_000;

/// A price quoted before a change is honoured so long, in seconds, where the document is silent; no longer ever.
const MAX_GRACE_SECONDS: u64 = 600;

/// The document, read and valid in every part. `table.rs` makes it fit for looking things up.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) facilitators: Vec<String>,
    pub(super) facilitator_timeout: Duration,
    pub(super) smart_wallets: SmartWallets,
    pub(super) fold_case: bool,
    pub(super) tokens: Tokens,
    pub(super) grace_seconds: u64,
    pub(super) revoked: Revoked,
    pub(super) claims: Claims,
    /// For the hosts that are not named; none where the document says nothing of them.
    pub(super) others: Option<SiteEntry>,
    pub(super) named: Vec<SiteEntry>,
}

/// The routes of one host, or of all that are not named.
#[derive(Debug, Default)]
pub(super) struct SiteEntry {
    pub(super) host: Option<String>,
    pub(super) pointer: String,
    pub(super) public_url: Option<String>,
    pub(super) routes: Vec<Route>,
}

/// What all routes of the document share while it is read.
struct Reader {
    tokens: Tokens,
    fold_case: bool,
    routes: usize,
}

impl Document {
    /// Reads a document. Whatever is wrong is added to `problems`; a document with problems must not be used.
    pub(super) fn read(text: &str, problems: &mut Vec<Diagnosis>) -> Option<Self> {
        if text.len() > MAX_BYTES {
            let message = format!("the document has {} bytes, {MAX_BYTES} are allowed", text.len());
            problems.push(Diagnosis::new("", message));
            return None;
        }
        let root = keep(Node::document(text), problems)?;
        let allowed: Vec<&str> = DOCUMENT_KEYS.into_iter().chain(scope::KEYS).collect();
        let members = root.members(&allowed, problems)?;
        let tokens = Tokens::read(&members, problems);
        let scope = Scope::default().within(&members, &tokens, problems);
        let fold_case = !members.read("caseSensitive", Node::boolean, problems).unwrap_or(false);
        let mut reader = Reader { tokens, fold_case, routes: 0 };
        let named = members.get("hosts").map_or_else(Vec::new, |node| reader.hosts(node, &scope, problems));
        let others = members
            .get("routes")
            .map(|node| SiteEntry { routes: reader.routes(node, None, &scope, problems), ..SiteEntry::default() });
        if !members.has("hosts") && others.is_none() {
            problems.push(Diagnosis::new(
                "",
                "routes is missing: an object such as {\"/premium/*\": {\"price\": \"$0.01\"}}",
            ));
        }
        let public_url = members.read("publicUrl", read_origin, problems);
        let document = Self {
            facilitators: members.get("facilitators").map_or_else(Vec::new, |node| read_facilitators(node, problems)),
            facilitator_timeout: members
                .read("facilitatorTimeoutSeconds", read_facilitator_timeout, problems)
                .unwrap_or(DEFAULT_FACILITATOR_TIMEOUT),
            smart_wallets: members.read("smartWallets", read_smart_wallets, problems).unwrap_or_default(),
            fold_case,
            grace_seconds: members.read("grace", read_grace, problems).unwrap_or(MAX_GRACE_SECONDS),
            revoked: members.get("passes").map_or_else(Revoked::default, |node| Revoked::read(node, problems)),
            claims: members.get("claims").map_or_else(Claims::default, |node| Claims::read(node, problems)),
            others: others.map(|others| SiteEntry { public_url, ..others }),
            named,
            tokens: reader.tokens,
        };
        if reader.routes > 0 && !members.has("facilitators") {
            problems.push(Diagnosis::new("", "facilitators is missing: a list of URLs such as [\"https://x402.org/facilitator\"] (that one is for test networks)"));
        }
        Some(document)
    }
}

impl Reader {
    fn hosts(&mut self, node: &Node<'_>, scope: &Scope, problems: &mut Vec<Diagnosis>) -> Vec<SiteEntry> {
        let Some(hosts) = node.object(problems) else { return Vec::new() };
        if hosts.len() > MAX_HOSTS {
            problems.push(Diagnosis::new(&node.pointer, format!("at most {MAX_HOSTS} hosts")));
            return Vec::new();
        }
        let allowed: Vec<&str> = HOST_KEYS.into_iter().chain(scope::KEYS).collect();
        let mut sites = Vec::new();
        for (key, node) in hosts.iter() {
            let name = keep(read_host_name(key, node), problems);
            let Some(members) = node.members(&allowed, problems) else { continue };
            let scope = scope.within(&members, &self.tokens, problems);
            let public_url = members.read("publicUrl", read_origin, problems);
            let Some(routes) = members.get("routes") else {
                let message = "routes is missing: what is priced at this host; {} makes all of it free";
                problems.push(Diagnosis::new(&node.pointer, message));
                continue;
            };
            let routes = self.routes(routes, Some(key), &scope, problems);
            sites.extend(name.map(|name| SiteEntry {
                host: Some(name),
                pointer: node.pointer.clone(),
                public_url,
                routes,
            }));
        }
        sites
    }

    fn routes(
        &mut self,
        node: &Node<'_>,
        host: Option<&str>,
        scope: &Scope,
        problems: &mut Vec<Diagnosis>,
    ) -> Vec<Route> {
        let Some(members) = node.object(problems) else { return Vec::new() };
        self.routes += members.len();
        if self.routes > MAX_ROUTES {
            problems.push(Diagnosis::new(&node.pointer, format!("at most {MAX_ROUTES} routes in one document")));
            return Vec::new();
        }
        let mut read =
            |key: &str, node: &Node<'_>| Route::read(key, node, host, self.fold_case, scope, &self.tokens, problems);
        if is_one_route(&members) {
            return read("*", node).into_iter().collect();
        }
        members.iter().filter_map(|(key, node)| read(key, node)).collect()
    }
}

/// The official `RoutesConfig` may also be one entry for every path.
fn is_one_route(members: &Members<'_>) -> bool {
    members.has("accepts") || members.has("price")
}

fn read_facilitator_timeout(node: &Node<'_>) -> Result<Duration, Diagnosis> {
    let (min, max) = (MIN_FACILITATOR_TIMEOUT_SECONDS, MAX_FACILITATOR_TIMEOUT_SECONDS);
    let seconds = node.number().and_then(|text| text.parse().ok()).filter(|seconds| (min..=max).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| node.problem(format!("expected whole seconds, {min} to {max}")))
}

fn read_smart_wallets(node: &Node<'_>) -> Result<SmartWallets, Diagnosis> {
    match node.word(&["refuse", "defer"])? {
        "refuse" => Ok(SmartWallets::Refuse),
        _ => Ok(SmartWallets::Defer),
    }
}

fn read_grace(node: &Node<'_>) -> Result<u64, Diagnosis> {
    let seconds = node.number().and_then(|text| text.parse().ok());
    seconds.filter(|seconds| *seconds <= MAX_GRACE_SECONDS).ok_or_else(|| {
        node.problem(format!(
            "expected whole seconds, 0 to {MAX_GRACE_SECONDS}: how long a price quoted before a change is honoured"
        ))
    })
}
