//! One entry of `routes`: which requests it is for, and what they are asked.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::x402::{PaymentRequirements, ResourceInfo, v1};

use super::{
    Diagnosis, Inquiry, Method, Mode, PassTerms, Pattern, Policy, Quota, Rollout, Rule, Terms,
    decision::Quote,
    diagnosis::{keep, meant},
    json::Node,
    offer::read_object,
    policy,
    resource::read_resource,
    rule::read_rules,
    scope::Scope,
    target::Target,
    token::Tokens,
    when::Holds,
};

/// The keys of an entry: of its offer or other terms, of what is sold, and its own.
const KEYS: [&str; 30] = [
    "price",
    "description",
    "mimeType",
    "rules",
    "accepts",
    "free",
    "deny",
    "network",
    "payTo",
    "asset",
    "maxTimeoutSeconds",
    "scheme",
    "extra",
    "withdrawDelay",
    "minDeposit",
    "resource",
    "serviceName",
    "tags",
    "iconUrl",
    "extensions",
    "mode",
    "rollout",
    "quota",
    "challenge",
    "pass",
    "verify",
    "settle",
    "usage",
    "maxExposure",
    "maxUnsettled",
];

/// A longer URL is named without its query, or by its origin alone: with it the 402's header would be longer
/// than clients take.
const MAX_URL_BYTES: usize = 2048;

/// Methods that a route may name. Another would be a typing mistake that leaves the path free.
const METHODS: [&str; 14] = [
    "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "REPORT", "SEARCH", "MKCOL",
    "COPY", "MOVE",
];

/// One priced route.
#[derive(Debug)]
pub struct Route {
    pub(super) pointer: String,
    pub(super) key: String,
    pub(super) host: Option<String>,
    pub(super) method: Option<Method>,
    pub(super) pattern: Pattern,
    terms: Terms,
    rules: Vec<Rule>,
    mode: Mode,
    rollout: Rollout,
    quota: Option<Quota>,
    challenges_401: bool,
    pass: Option<PassTerms>,
    policy: Policy,
    /// Keys of the other routes whose passes open this one.
    pub(super) opened_by: Vec<String>,
    resource: ResourceInfo,
    extensions: Map<String, Value>,
}

impl Route {
    /// Reads one entry; `host` is the name under which it stands in `hosts`.
    pub(super) fn read(
        key: &str,
        node: &Node<'_>,
        host: Option<&str>,
        fold_case: bool,
        scope: &Scope,
        tokens: &Tokens,
        problems: &mut Vec<Diagnosis>,
    ) -> Option<Self> {
        let (method, path) = match key.split_once(' ') {
            Some((method, path)) => (Some(method), path.trim_start()),
            None => (None, key),
        };
        let pattern = Pattern::parse(path, fold_case).map_err(|error| Diagnosis::new(&node.pointer, error.to_string()));
        let pattern = keep(pattern, problems);
        let method = keep(read_method(method, &node.pointer), problems);
        let members = node.members(&KEYS, problems)?;
        let rules = members.get("rules").map_or_else(Vec::new, |node| read_rules(node, scope, tokens, problems));
        let terms = Terms::read(node, &members, scope, tokens, problems);
        let (mode, rollout) = scope.charging(&members, problems);
        let quota = members.get("quota").and_then(|node| Quota::read(node, problems));
        let challenge = members.read("challenge", |node| node.word(&["401"]), problems);
        let pass = members.get("pass").and_then(|node| PassTerms::read(key, node, problems));
        let policy = Policy::read(&members, problems);
        let resource = read_resource(&members, problems);
        let extensions = members.get("extensions").map_or_else(Map::new, |node| read_object(node, problems));
        let is_paid = |terms: &Terms| matches!(terms, Terms::Offers(_));
        let anything_paid = terms.as_ref().is_none_or(is_paid) || rules.iter().any(|rule| is_paid(rule.terms()));
        for key in ["quota", "challenge", "pass"].into_iter().chain(policy::KEYS) {
            if let Some(node) = members.get(key).filter(|_| !anything_paid) {
                problems.push(Diagnosis::new(
                    &node.pointer,
                    format!("{key} says nothing here: this route never asks for money"),
                ));
            }
        }
        if let (Some(node), Some(usage)) = (members.get("usage"), &policy.usage) {
            usage.check(node, terms.iter().chain(rules.iter().map(Rule::terms)), tokens, problems);
        }
        if let (Some(node), Some(max)) = (members.get("maxExposure"), &policy.max_exposure) {
            for terms in terms.iter().chain(rules.iter().map(Rule::terms)) {
                max.check(node, terms, tokens, problems);
            }
        }
        if let (Some(node), true) = (members.get("quota"), members.has("challenge")) {
            problems.push(Diagnosis::new(
                &node.pointer,
                "a route has quota or challenge, not both: with challenge the site itself says what is free",
            ));
        }
        Some(Self {
            pointer: node.pointer.clone(),
            key: key.to_owned(),
            host: host.map(str::to_owned),
            method: method?,
            pattern: pattern?,
            terms: policy.told_in(terms?),
            rules: rules.into_iter().map(|rule| rule.told(&policy)).collect(),
            mode,
            rollout,
            quota,
            challenges_401: challenge.is_some(),
            pass,
            policy,
            opened_by: Vec::new(),
            resource,
            extensions,
        })
    }

    /// The key as the owner wrote it, such as `GET /articles/:slug`.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Where it stands in the document, a JSON pointer.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// The name under `hosts` that it belongs to; none for all other hosts.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The method it is for; none for every method.
    pub const fn method(&self) -> Option<&Method> {
        self.method.as_ref()
    }

    /// The paths it is for.
    pub const fn pattern(&self) -> &Pattern {
        &self.pattern
    }

    /// Its own terms: for requests that no rule is for.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// Its rules, in order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Whether its prices are charged.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// Which share of clients is charged.
    pub const fn rollout(&self) -> Rollout {
        self.rollout
    }

    /// Requests that are free each day.
    pub const fn quota(&self) -> Option<&Quota> {
        self.quota.as_ref()
    }

    /// Whether the origin says by a 401 that it wants a payment: `challenge: "401"`.
    pub const fn challenges_401(&self) -> bool {
        self.challenges_401
    }

    /// When its payments are verified and settled.
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The pass that it sells with its answer.
    pub const fn pass(&self) -> Option<&PassTerms> {
        self.pass.as_ref()
    }

    /// Whether passes that the route `key` sold may open it: its own, and those of routes that list it.
    pub fn is_opened_by(&self, key: &str) -> bool {
        (self.pass.is_some() && self.key == key) || self.opened_by.iter().any(|other| other == key)
    }

    /// The routes whose passes may open it.
    pub fn openers(&self) -> impl Iterator<Item = &str> {
        self.pass.iter().map(|_| self.key.as_str()).chain(self.opened_by.iter().map(String::as_str))
    }

    /// What the owner says of what is sold.
    pub const fn description(&self) -> &ResourceInfo {
        &self.resource
    }

    /// Extensions that the owner advertises.
    pub const fn extensions(&self) -> &Map<String, Value> {
        &self.extensions
    }

    /// The offers that v1 can express, for this resource.
    pub(super) fn v1_offers(offers: &[PaymentRequirements], resource: &ResourceInfo) -> Vec<PaymentRequirements> {
        offers.iter().filter_map(|offer| v1::requirements(offer, resource)).collect()
    }

    /// What is sold to this request, under [`Self::resource_url`].
    pub fn resource(&self, target: &Target<'_>, public_url: Option<&str>) -> ResourceInfo {
        ResourceInfo { url: self.resource_url(target, public_url).into_owned(), ..self.resource.clone() }
    }

    /// The URL of what is sold to this request: the owner's `resource`, else its own under `public_url`.
    pub fn resource_url(&self, target: &Target<'_>, public_url: Option<&str>) -> Cow<'_, str> {
        if !self.resource.url.is_empty() {
            return Cow::Borrowed(&self.resource.url);
        }
        let origin = public_url.map_or_else(|| target.origin(), str::to_owned);
        let fits = |parts: &&&[&str]| parts.iter().map(|part| part.len()).sum::<usize>() <= MAX_URL_BYTES;
        let longest = [&[origin.as_str(), target.path, target.query][..], &[origin.as_str(), target.path]];
        longest.iter().find(fits).map_or_else(|| format!("{origin}/"), |parts| parts.concat()).into()
    }

    pub(super) fn is_for(&self, method: &Method) -> bool {
        self.method.as_ref().is_none_or(|named| named == method)
    }

    /// Everything that this route may say to the request: the terms of the first rule that holds however the
    /// request is read, and of those before it that hold in one reading and not in another.
    pub(super) fn quotes<'a>(&'a self, inquiry: &Inquiry<'_>, quotes: &mut Vec<Quote<'a>>) {
        for (index, rule) in self.rules.iter().enumerate() {
            let holds = rule.holds(inquiry);
            if holds != Holds::No {
                quotes.push(Quote { route: self, rule: Some(index), terms: rule.terms() });
            }
            if holds == Holds::Yes {
                return;
            }
        }
        quotes.push(Quote { route: self, rule: None, terms: &self.terms });
    }
}

/// The method of a route key; none, and `*` as in the official SDK, stand for every method.
fn read_method(name: Option<&str>, pointer: &str) -> Result<Option<Method>, Diagnosis> {
    let Some(name) = name.filter(|name| *name != "*") else { return Ok(None) };
    match Method::parse(name) {
        Some(method) if METHODS.contains(&method.as_str()) => Ok(Some(method)),
        Some(method) if method.as_str() == "HEAD" => Err(Diagnosis::new(pointer, "HEAD is priced like GET; write GET")),
        _ => {
            let hint = meant(name, &METHODS).map_or_else(String::new, |near| format!("; did you mean {near}?"));
            let message =
                format!("a route key is \"/path\" or \"METHOD /path\", the method one of {}{hint}", METHODS.join(", "));
            Err(Diagnosis::new(pointer, message))
        }
    }
}
