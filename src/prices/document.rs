//! The price document: its keys, and what each must be. `docs/prices.md` tells it to owners.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::{
    network::Network,
    schemes::SmartWallets,
    x402::{PaymentRequirements, ResourceInfo},
};

use super::{
    Diagnosis,
    json::Node,
    method::Method,
    offer::{self, Defaults, Draft, keep},
    pattern::Pattern,
};

/// `maxTimeoutSeconds` where the document is silent: the official packages' value.
pub(super) const DEFAULT_TIMEOUT_SECONDS: u64 = 300;

/// Longer descriptions make Coinbase's facilitator refuse every payment of the route.
const MAX_DESCRIPTION_CHARS: usize = 500;
const MAX_ICON_URL_BYTES: usize = 2048;
const MAX_TAGS: usize = 5;
const MAX_NAME_BYTES: usize = 32;

/// How long a request waits for facilitators in all, where the document is silent.
pub(super) const DEFAULT_FACILITATOR_TIMEOUT: Duration = Duration::from_secs(10);

/// 6 s of it are kept for settling, and verifying needs some.
const MIN_FACILITATOR_TIMEOUT_SECONDS: u64 = 8;
/// Nobody waits longer for a page.
const MAX_FACILITATOR_TIMEOUT_SECONDS: u64 = 60;

const DOCUMENT_KEYS: [&str; 12] = [
    "$schema",
    "payTo",
    "network",
    "asset",
    "maxTimeoutSeconds",
    "facilitators",
    "facilitatorTimeoutSeconds",
    "smartWallets",
    "publicUrl",
    "rpc",
    "caseSensitive",
    "routes",
];
const RESOURCE_KEYS: [&str; 8] =
    ["accepts", "resource", "description", "mimeType", "serviceName", "tags", "iconUrl", "extensions"];

/// Methods that a route may name. Another would be a typing mistake that leaves the path free.
const METHODS: [&str; 14] = [
    "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH", "MKCOL",
    "COPY", "MOVE",
];

/// The document, read and valid in every part. `table.rs` makes it fit for looking things up.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) facilitators: Vec<String>,
    pub(super) facilitator_timeout: Duration,
    pub(super) smart_wallets: SmartWallets,
    pub(super) public_url: Option<String>,
    pub(super) fold_case: bool,
    pub(super) rpc: Vec<(Network, Vec<String>)>,
    pub(super) routes: Vec<RouteEntry>,
}

/// One entry of `routes`.
#[derive(Debug)]
pub(super) struct RouteEntry {
    pub(super) pointer: String,
    pub(super) key: String,
    pub(super) method: Option<Method>,
    pub(super) pattern: Pattern,
    pub(super) accepts: Vec<PaymentRequirements>,
    pub(super) resource: ResourceInfo,
    pub(super) extensions: Map<String, Value>,
}

impl Document {
    /// Reads a document. Whatever is wrong is added to `problems`; a document with problems must not be used.
    pub(super) fn read(text: &str, problems: &mut Vec<Diagnosis>) -> Option<Self> {
        let root = keep(Node::document(text), problems)?;
        let members = root.object(problems)?;
        let get = |key: &str| members.iter().find(|(known, _)| known == key).map(|(_, node)| node);
        for (key, node) in members.iter().filter(|(key, _)| !DOCUMENT_KEYS.contains(&key.as_str())) {
            problems.push(unknown_key(key, node, &DOCUMENT_KEYS));
        }
        let defaults = Defaults {
            pay_to: get("payTo").and_then(|node| keep(offer::read_pay_to(node), problems)),
            network: get("network").and_then(|node| keep(offer::read_network(node), problems)),
            asset: get("asset").and_then(|node| keep(offer::read_asset(node), problems)),
            max_timeout_seconds: get("maxTimeoutSeconds").and_then(|node| keep(offer::read_timeout(node), problems)),
        };
        let case_sensitive = get("caseSensitive").and_then(|node| keep(node.boolean(), problems));
        let mut document = Self {
            facilitators: get("facilitators").map_or_else(Vec::new, |node| read_facilitators(node, problems)),
            facilitator_timeout: get("facilitatorTimeoutSeconds")
                .and_then(|node| keep(read_facilitator_timeout(node), problems))
                .unwrap_or(DEFAULT_FACILITATOR_TIMEOUT),
            smart_wallets: get("smartWallets")
                .and_then(|node| keep(read_smart_wallets(node), problems))
                .unwrap_or_default(),
            public_url: get("publicUrl").and_then(|node| keep(read_origin(node), problems)),
            fold_case: !case_sensitive.unwrap_or(false),
            rpc: Vec::new(),
            routes: Vec::new(),
        };
        if let Some(rpc) = get("rpc") {
            document.rpc = read_rpc(rpc, problems);
        }
        match get("routes") {
            Some(node) => document.read_routes(node, &defaults, problems),
            None => problems.push(Diagnosis::new(
                "",
                "routes is missing: an object such as {\"/premium/*\": {\"price\": \"$0.01\"}}",
            )),
        }
        if document.facilitators.is_empty() && !document.routes.is_empty() && get("facilitators").is_none() {
            problems.push(Diagnosis::new("", "facilitators is missing: a list of URLs such as [\"https://x402.org/facilitator\"] (that one is for test networks)"));
        }
        Some(document)
    }

    fn read_routes(&mut self, node: &Node<'_>, defaults: &Defaults, problems: &mut Vec<Diagnosis>) {
        let Some(members) = node.object(problems) else { return };
        // The official RoutesConfig may also be one entry for every path.
        if members.iter().any(|(key, _)| key == "accepts" || key == "price") {
            self.routes.extend(self.read_route("*", node, defaults, problems));
            return;
        }
        for (key, entry) in &members {
            let route = self.read_route(key, entry, defaults, problems);
            self.routes.extend(route);
        }
    }

    fn read_route(
        &self,
        key: &str,
        node: &Node<'_>,
        defaults: &Defaults,
        problems: &mut Vec<Diagnosis>,
    ) -> Option<RouteEntry> {
        let (method, path) = match key.split_once(' ') {
            Some((method, path)) => (Some(method), path.trim_start()),
            None => (None, key),
        };
        let pattern =
            Pattern::parse(path, self.fold_case).map_err(|error| Diagnosis::new(&node.pointer, error.to_string()));
        let pattern = keep(pattern, problems);
        let method = keep(read_method(method, &node.pointer), problems);
        let members = node.object(problems)?;
        let allowed: Vec<&str> = RESOURCE_KEYS.into_iter().chain(offer::KEYS).collect();
        for (key, node) in members.iter().filter(|(key, _)| !allowed.contains(&key.as_str())) {
            problems.push(unknown_key(key, node, &allowed));
        }
        let get = |key: &str| members.iter().find(|(known, _)| known == key).map(|(_, node)| node);
        let accepts = read_accepts(node, &members, defaults, problems);
        let resource = ResourceInfo {
            url: get("resource").and_then(|node| keep(read_url(node), problems)).unwrap_or_default(),
            description: get("description").and_then(|node| keep(read_description(node), problems)),
            mime_type: get("mimeType").and_then(|node| keep(node.string(), problems)),
            service_name: get("serviceName").and_then(|node| keep(read_name(node), problems)),
            tags: get("tags").map_or_else(Vec::new, |node| read_tags(node, problems)),
            icon_url: get("iconUrl").and_then(|node| keep(read_icon(node), problems)),
        };
        let extensions = get("extensions").map_or_else(Map::new, |node| offer::read_object(node, problems));
        Some(RouteEntry {
            pointer: node.pointer.clone(),
            key: key.to_owned(),
            method: method?,
            pattern: pattern?,
            accepts,
            resource,
            extensions,
        })
    }
}

/// The method of a route key; none, and `*` as in the official SDK, stand for every method.
fn read_method(name: Option<&str>, pointer: &str) -> Result<Option<Method>, Diagnosis> {
    let Some(name) = name.filter(|name| *name != "*") else { return Ok(None) };
    match Method::parse(name) {
        Some(method) if METHODS.contains(&method.as_str()) => Ok(Some(method)),
        Some(method) if method.as_str() == "HEAD" => Err(Diagnosis::new(pointer, "HEAD is priced like GET; write GET")),
        _ => {
            let message =
                format!("a route key is \"/path\" or \"METHOD /path\", the method one of {}", METHODS.join(", "));
            Err(Diagnosis::new(pointer, message))
        }
    }
}

fn read_accepts(
    node: &Node<'_>,
    members: &[(String, Node<'_>)],
    defaults: &Defaults,
    problems: &mut Vec<Diagnosis>,
) -> Vec<PaymentRequirements> {
    let short: Vec<_> = members.iter().filter(|(key, _)| offer::KEYS.contains(&key.as_str())).cloned().collect();
    let Some((_, accepts)) = members.iter().find(|(key, _)| key == "accepts") else {
        return Draft { pointer: node.pointer.clone(), members: short }
            .resolve(defaults, problems)
            .into_iter()
            .collect();
    };
    for (key, node) in &short {
        problems.push(Diagnosis::new(
            &node.pointer,
            format!("{key} belongs into the entries of accepts, where there are any"),
        ));
    }
    let entries =
        if accepts.is_array() { keep(accepts.array(), problems).unwrap_or_default() } else { vec![accepts.clone()] };
    if entries.is_empty() {
        problems.push(accepts.problem("accepts is empty; leave the route out of the document to make it free"));
    }
    let mut offers: Vec<PaymentRequirements> = Vec::new();
    for entry in entries {
        let Some(members) = entry.object(problems) else { continue };
        for (key, node) in members.iter().filter(|(key, _)| !offer::KEYS.contains(&key.as_str())) {
            problems.push(unknown_key(key, node, &offer::KEYS));
        }
        let draft = Draft { pointer: entry.pointer.clone(), members };
        if let Some(offer) = draft.resolve(defaults, problems) {
            if offers.contains(&offer) {
                problems.push(Diagnosis::new(&entry.pointer, "this offer stands here twice"));
            }
            offers.push(offer);
        }
    }
    offers
}

fn unknown_key(key: &str, node: &Node<'_>, allowed: &[&str]) -> Diagnosis {
    let near = allowed.iter().find(|known| known.eq_ignore_ascii_case(key));
    let hint =
        near.map_or_else(|| format!("allowed are {}", allowed.join(", ")), |near| format!("did you mean {near}?"));
    Diagnosis::new(&node.pointer, format!("unknown key; {hint}"))
}

fn read_facilitator_timeout(node: &Node<'_>) -> Result<Duration, Diagnosis> {
    let (min, max) = (MIN_FACILITATOR_TIMEOUT_SECONDS, MAX_FACILITATOR_TIMEOUT_SECONDS);
    let seconds = node.number().and_then(|text| text.parse().ok()).filter(|seconds| (min..=max).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| node.problem(format!("expected whole seconds, {min} to {max}")))
}

fn read_smart_wallets(node: &Node<'_>) -> Result<SmartWallets, Diagnosis> {
    match node.string()?.as_str() {
        "refuse" => Ok(SmartWallets::Refuse),
        "defer" => Ok(SmartWallets::Defer),
        _ => Err(node.problem("expected \"refuse\" or \"defer\"")),
    }
}

/// An absolute http(s) URL that can stand in a header and be joined with a path.
fn read_url(node: &Node<'_>) -> Result<String, Diagnosis> {
    let text = node.string()?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let legal = text.bytes().all(|b| b.is_ascii_graphic()) && !text.contains(['"', '<', '>', '\\', '#']);
    match rest {
        Some(rest) if legal && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') => Ok(text),
        _ => Err(node.problem("expected an absolute URL, https://… or http://…, in plain ASCII")),
    }
}

fn read_origin(node: &Node<'_>) -> Result<String, Diagnosis> {
    let url = read_url(node)?;
    let origin = url.strip_suffix('/').unwrap_or(&url);
    match origin.split_once("://") {
        Some((_, host)) if !host.contains(['/', '?', '@']) => Ok(origin.to_owned()),
        _ => Err(node.problem("publicUrl is scheme and host only, such as \"https://example.com\"")),
    }
}

/// Base URLs, to which paths are added.
fn read_facilitators(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Vec<String> {
    let urls = read_urls(node, problems);
    if urls.iter().any(|url| url.contains('?')) {
        problems
            .push(node.problem("a facilitator is a base URL, to which /verify and /settle are added: it has no query"));
    }
    urls.into_iter().map(|url| url.trim_end_matches('/').to_owned()).collect()
}

fn read_urls(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Vec<String> {
    let items = keep(node.array(), problems).unwrap_or_default();
    if items.is_empty() {
        problems.push(node.problem("expected a list of at least one URL"));
    }
    items.iter().filter_map(|item| keep(read_url(item), problems)).collect()
}

/// For each network the URLs at which its chain can be asked.
fn read_rpc(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Vec<(Network, Vec<String>)> {
    let mut rpc = Vec::new();
    for (key, node) in node.object(problems).unwrap_or_default() {
        let urls = read_urls(&node, problems);
        match key.parse() {
            Ok(network) => rpc.push((network, urls)),
            Err(_) => {
                problems.push(Diagnosis::new(&node.pointer, "the keys of rpc are CAIP-2 ids such as \"eip155:8453\""));
            }
        }
    }
    rpc
}

fn read_description(node: &Node<'_>) -> Result<String, Diagnosis> {
    let text = node.string()?;
    if text.chars().count() > MAX_DESCRIPTION_CHARS {
        return Err(node.problem(format!(
            "a description has at most {MAX_DESCRIPTION_CHARS} characters; facilitators refuse payments for longer ones"
        )));
    }
    Ok(text)
}

fn read_name(node: &Node<'_>) -> Result<String, Diagnosis> {
    let text = node.string()?;
    let printable = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if !printable || !(1..=MAX_NAME_BYTES).contains(&text.len()) {
        return Err(node.problem(format!("expected 1 to {MAX_NAME_BYTES} printable ASCII characters")));
    }
    Ok(text)
}

fn read_tags(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Vec<String> {
    let tags = keep(node.array(), problems).unwrap_or_default();
    if tags.len() > MAX_TAGS {
        problems.push(node.problem(format!("at most {MAX_TAGS} tags")));
    }
    tags.iter().filter_map(|tag| keep(read_name(tag), problems)).collect()
}

fn read_icon(node: &Node<'_>) -> Result<String, Diagnosis> {
    let url = node.string()?;
    if url.len() > MAX_ICON_URL_BYTES {
        return Err(node.problem(format!("an iconUrl has at most {MAX_ICON_URL_BYTES} bytes")));
    }
    Ok(url)
}
