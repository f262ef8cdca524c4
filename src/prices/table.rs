//! The price table: a document that is safe to use, and what it says about a request.

use std::time::Duration;

use crate::{
    evm::Address,
    network::Network,
    schemes::{SmartWallets, batch_settlement, exact},
    x402::PaymentRequirements,
};

use super::{
    Ambiguity, Claims, Decision, Diagnosis, Inquiry, Revoked, Route, Site, Token,
    challenge::Challenges,
    decision::strictest,
    document::{DEFAULT_FACILITATOR_TIMEOUT, Document, SiteEntry},
    host::Hosts,
    pass::link_scopes,
    readings,
    readings::only_reading,
    rule::Rule,
    scope::Mode,
    ties::find_ties,
    token::Tokens,
};

/// Problems that are told of one document.
const MAX_PROBLEMS: usize = 200;

/// Prices, ready to be looked up. The only way in is [`PriceTable::parse`].
#[derive(Debug)]
pub struct PriceTable {
    facilitators: Vec<String>,
    facilitator_timeout: Duration,
    smart_wallets: SmartWallets,
    fold_case: bool,
    grace_seconds: u64,
    revoked: Revoked,
    claims: Claims,
    sells_passes: bool,
    tokens: Tokens,
    hosts: Hosts,
    /// The hosts that are not named come first.
    sites: Vec<Site>,
    /// Whether the document says nothing of hosts that are not named.
    only_named: bool,
    route_count: usize,
    /// How many of them are paid in a way of which facilitators have something to say.
    asking_count: usize,
    /// How many of them are paid by channel.
    channel_count: usize,
}

impl PriceTable {
    /// Reads a document whole, or tells everything that is wrong with it.
    ///
    /// 1. It has at most 5 MB, is JSON, an object, without duplicate and unknown keys, with at most 20,000 routes
    ///    and 1,000 hosts.
    /// 2. Every value has its form; every offer is complete after the defaults of its host and the document.
    /// 3. Networks, tickers and tokens are declared once, and do not contradict those built in.
    /// 4. Hosts are names; no two of them are the same.
    /// 5. No two routes of a host cover the same paths with the same method, nor some same path with equal right.
    /// 6. A rule has conditions that can be met, says one thing, and is not behind one that always holds.
    /// 7. A quota, challenge or pass stands only where something is to be paid; no pass opens what is dearer.
    /// 8. There is a facilitator where there are routes.
    /// 9. No 402 is longer than clients take.
    pub fn parse(text: &str) -> Result<Self, Vec<Diagnosis>> {
        let mut problems = Vec::new();
        let document = Document::read(text, &mut problems);
        let table = document.map(|document| Self::compile(document, &mut problems));
        let count = problems.len();
        if count > MAX_PROBLEMS {
            problems.truncate(MAX_PROBLEMS);
            problems.push(Diagnosis::new("", format!("{} more problems are not listed", count - MAX_PROBLEMS)));
        }
        match table {
            Some(table) if problems.is_empty() => Ok(table),
            _ => Err(problems),
        }
    }

    /// The table of a site where nothing is priced.
    pub fn empty() -> Self {
        Self {
            facilitators: Vec::new(),
            facilitator_timeout: DEFAULT_FACILITATOR_TIMEOUT,
            smart_wallets: SmartWallets::Refuse,
            fold_case: true,
            grace_seconds: 0,
            revoked: Revoked::default(),
            claims: Claims::default(),
            sells_passes: false,
            tokens: Tokens::default(),
            hosts: Hosts::default(),
            sites: vec![Site::new(None, None, Vec::new())],
            only_named: false,
            route_count: 0,
            asking_count: 0,
            channel_count: 0,
        }
    }

    fn compile(document: Document, problems: &mut Vec<Diagnosis>) -> Self {
        let only_named = document.others.is_none();
        let mut hosts = Hosts::default();
        let mut challenges = Challenges::default();
        let mut sites = Vec::new();
        for entry in [document.others.unwrap_or_default()].into_iter().chain(document.named) {
            let SiteEntry { host, pointer, public_url, mut routes } = entry;
            if host.as_ref().is_some_and(|name| !hosts.add(name, sites.len())) {
                problems.push(Diagnosis::new(pointer, "this host is written twice; keep one"));
            }
            find_ties(&routes, problems);
            link_scopes(&mut routes, problems);
            problems.extend(routes.iter().filter_map(|route| challenges.problem(route)));
            sites.push(Site::new(host, public_url, routes));
        }
        Self {
            facilitators: document.facilitators,
            facilitator_timeout: document.facilitator_timeout,
            smart_wallets: document.smart_wallets,
            fold_case: document.fold_case,
            grace_seconds: document.grace_seconds,
            revoked: document.revoked,
            claims: document.claims,
            sells_passes: sites.iter().flat_map(Site::routes).any(|route| route.pass().is_some()),
            tokens: document.tokens,
            hosts,
            route_count: sites.iter().map(|site| site.routes().len()).sum(),
            asking_count: sites
                .iter()
                .flat_map(Site::routes)
                .filter(|route| has_offer(route, asks_facilitators))
                .count(),
            channel_count: sites.iter().flat_map(Site::routes).filter(|route| has_offer(route, is_by_channel)).count(),
            sites,
            only_named,
        }
    }

    /// What a request costs.
    pub fn decide(&self, inquiry: &Inquiry<'_>) -> Decision<'_> {
        if self.is_empty() {
            return Decision::Unpriced;
        }
        if let Some(only) = only_reading(inquiry.path, self.fold_case)
            && let Some(site) = self.site(inquiry.authority)
        {
            return strictest(&site.quotes([&*only], inquiry), inquiry.client);
        }
        let Ok(readings) = readings(inquiry.path, self.fold_case) else {
            return self.without_readings();
        };
        match self.site(inquiry.authority) {
            Some(site) => strictest(&site.quotes(readings.iter().map(String::as_str), inquiry), inquiry.client),
            None if self.sites.iter().any(|site| site.is_priced(&readings)) => Decision::Ambiguous(Ambiguity::Host),
            None => Decision::Unpriced,
        }
    }

    /// A path that can be read in too many ways may be any priced one. Where nothing is charged it hurts nobody.
    fn without_readings(&self) -> Decision<'_> {
        if self.routes().all(|route| route.mode() == Mode::Observe) {
            Decision::Unpriced
        } else {
            Decision::Ambiguous(Ambiguity::TooManyReadings)
        }
    }

    /// Whether the path has a route for any method, in any reading. Too many readings count as priced.
    pub fn is_priced(&self, authority: &str, path: &str) -> bool {
        if self.is_empty() {
            return false;
        }
        let at = |covered: &dyn Fn(&Site) -> bool| match self.site(authority) {
            Some(site) => covered(site),
            None => self.sites.iter().any(covered),
        };
        match only_reading(path, self.fold_case) {
            Some(only) => at(&|site| site.covers(&only)),
            None => readings(path, self.fold_case).map_or(true, |all| at(&|site| site.is_priced(&all))),
        }
    }

    /// The site of a request; none where the document speaks of named hosts only, and this is none of them.
    pub fn site(&self, authority: &str) -> Option<&Site> {
        match self.hosts.find(authority) {
            Some(named) => self.sites.get(named),
            None if self.only_named => None,
            None => self.sites.first(),
        }
    }

    /// All sites; the first is for all hosts that are not named.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// All routes of all sites.
    pub fn routes(&self) -> impl Iterator<Item = &Route> {
        self.sites.iter().flat_map(Site::routes)
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

    /// How long, in seconds, a price quoted by the document before this one is honoured.
    pub const fn grace_seconds(&self) -> u64 {
        self.grace_seconds
    }

    /// Passes that are void.
    pub const fn revoked(&self) -> &Revoked {
        &self.revoked
    }

    /// When channels are claimed.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether a route sells passes.
    pub const fn sells_passes(&self) -> bool {
        self.sells_passes
    }

    /// URLs at which a chain can be asked, where the owner has given any.
    pub fn rpc(&self, network: Network) -> &[String] {
        self.tokens.rpc.iter().find(|(known, _)| *known == network).map_or(&[], |(_, urls)| urls)
    }

    /// The same for all networks.
    pub fn rpcs(&self) -> &[(Network, Vec<String>)] {
        &self.tokens.rpc
    }

    /// Tokens that the document declares.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens.declared
    }

    /// Ticker and decimals of a token, declared or built in.
    pub fn ticker_and_decimals(&self, network: Network, asset: Address) -> Option<(&str, u8)> {
        self.tokens.by_address(network, &asset).map(|known| (known.ticker, known.decimals))
    }

    /// Whether something is paid by Permit2 or by channel: then a 402 says what only facilitators know.
    pub const fn asks_facilitators(&self) -> bool {
        self.asking_count > 0
    }

    /// Whether something is paid by channel.
    pub const fn offers_channels(&self) -> bool {
        self.channel_count > 0
    }

    /// How many routes there are.
    pub const fn len(&self) -> usize {
        self.route_count
    }

    /// Whether there are no routes.
    pub const fn is_empty(&self) -> bool {
        self.route_count == 0
    }
}

fn has_offer(route: &Route, is_it: fn(&PaymentRequirements) -> bool) -> bool {
    let mut terms = std::iter::once(route.terms()).chain(route.rules().iter().map(Rule::terms));
    terms.any(|terms| terms.accepts().iter().any(is_it))
}

fn asks_facilitators(offer: &PaymentRequirements) -> bool {
    offer.extra(exact::ASSET_TRANSFER_METHOD) == Some("permit2") || is_by_channel(offer)
}

fn is_by_channel(offer: &PaymentRequirements) -> bool {
    offer.scheme() == batch_settlement::SCHEME
}
