//! Who of the facilitators is asked, and in which order: what each says it settles, and how it has fared lately.
//!
//! Kept by each isolate in memory, for all requests; nothing here waits.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use serde_json::{Map, Value};

use crate::{
    evm::Address,
    json,
    schemes::{batch_settlement::RECEIVER_AUTHORIZER, upto},
    time::UnixTime,
    x402::{SupportedKind, SupportedResponse, is_network},
};

/// What `/supported` said is asked for anew after this; meanwhile, and if the call fails, the last answer counts.
const KEEP_KINDS_SECONDS: u64 = 600;

/// A `/supported` that failed is tried again after this.
const TRY_KINDS_AGAIN_SECONDS: u64 = 30;

/// Who waits for a `/supported` that failed just now would make all wait: they are told to come again after this.
const SILENT_SECONDS: u64 = 2;

/// So many failures in a row open the breaker.
const FAILURES_TO_OPEN: u32 = 3;

/// A breaker stays open so long; then one more failure opens it again.
const OPEN_SECONDS: u64 = 15;

/// Facilitators that are remembered at most: a price document names a handful.
const MAX_REMEMBERED: usize = 64;

/// The standing of all facilitators, by base URL.
#[derive(Debug, Default)]
pub struct Roster {
    standings: RefCell<BTreeMap<String, Standing>>,
    /// Whether a facilitator was asked for anything since `/supported` was due last, or an offer depends on what it
    /// says: nobody is asked for the sake of requests that need none.
    in_use: Cell<bool>,
}

#[derive(Debug, Default)]
struct Standing {
    supported: Option<Supported>,
    /// When `/supported` is asked next.
    ask_at: u64,
    /// Until when nobody waits for what it settles, since it did not say.
    silent_until: u64,
    failures: u32,
    open_until: u64,
}

/// What `/supported` said.
#[derive(Debug)]
struct Supported {
    /// Each with its `extra`.
    kinds: Vec<(SupportedKind, Map<String, Value>)>,
    extensions: Vec<String>,
    /// The facilitator's own addresses, by network or pattern.
    signers: Vec<(String, Address)>,
}

/// More kinds, extensions and addresses than this are not remembered: what a facilitator says is not ours to bound.
const MAX_SAID: usize = 256;

impl Supported {
    /// Nothing where no kind can be read.
    fn read(said: SupportedResponse) -> Option<Self> {
        let kinds: Vec<_> = said.kinds.into_iter().take(MAX_SAID).filter_map(read_kind).collect();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let texts = list(&said.extensions).into_iter().filter_map(|name| name.as_str().map(str::to_owned));
        let signers = said.signers.as_object().into_iter().flatten().flat_map(|(network, addresses)| {
            let addresses = list(addresses).into_iter().filter_map(|address| read_address(&address));
            addresses.map(|address| (network.clone(), address)).collect::<Vec<_>>()
        });
        let (extensions, signers) = (texts.take(MAX_SAID).collect(), signers.take(MAX_SAID).collect());
        (!kinds.is_empty()).then_some(Self { kinds, extensions, signers })
    }

    fn settles(&self, wanted: &SupportedKind) -> bool {
        self.kinds.iter().any(|(kind, _)| kind.includes(wanted))
    }

    /// The address that payments of a kind are to name.
    fn facilitator_address(&self, wanted: &SupportedKind) -> Option<Address> {
        self.named(wanted, upto::FACILITATOR_ADDRESS)
    }

    /// An address in the `extra` of a kind.
    fn named(&self, wanted: &SupportedKind, key: &str) -> Option<Address> {
        let mut kinds = self.kinds.iter().filter(|(kind, _)| kind.includes(wanted));
        kinds.find_map(|(_, extra)| read_address(extra.get(key)?))
    }

    /// Whether it settles from this address. Some have several, and name another one each time they are asked.
    fn has(&self, wanted: &SupportedKind, address: Address) -> bool {
        let mut named = self.kinds.iter().filter(|(kind, _)| kind.includes(wanted));
        let of_kind = |extra: &Map<String, Value>| extra.get(upto::FACILITATOR_ADDRESS).and_then(read_address);
        named.any(|(_, extra)| of_kind(extra) == Some(address))
            || self.signers.iter().any(|(network, own)| is_network(network, &wanted.network) && *own == address)
    }
}

fn read_kind(kind: Value) -> Option<(SupportedKind, Map<String, Value>)> {
    let extra = kind.get("extra").and_then(Value::as_object).cloned().unwrap_or_default();
    Some((json::of(kind).ok()?, extra))
}

fn read_address(value: &Value) -> Option<Address> {
    value.as_str()?.parse().ok().filter(|address| *address != Address::ZERO)
}

impl Roster {
    /// The address that an `upto` payment is to name: that of the first facilitator in order that has said one.
    pub fn facilitator_address(&self, urls: &[String], kind: &SupportedKind, now: UnixTime) -> Option<Address> {
        self.in_use.set(true);
        let in_order = self.in_order(urls, kind, now);
        let standings = self.standings.borrow();
        let supported = |url| standings.get(url).and_then(|standing| standing.supported.as_ref());
        in_order.into_iter().filter_map(supported).find_map(|supported| supported.facilitator_address(kind))
    }

    /// Whether one of the facilitators settles from this address. Nothing where none has said what it is.
    pub fn knows_address(&self, urls: &[String], kind: &SupportedKind, address: Address) -> Option<bool> {
        let standings = self.standings.borrow();
        let mut known = urls.iter().filter_map(|url| standings.get(url)?.supported.as_ref()).peekable();
        known.peek()?;
        Some(known.any(|supported| supported.has(kind, address)))
    }

    /// The address whose key signs claims where the owner has no key: that of the first facilitator in order that
    /// offers one.
    pub fn receiver_authorizer(&self, urls: &[String], kind: &SupportedKind, now: UnixTime) -> Option<Address> {
        self.in_use.set(true);
        let in_order = self.in_order(urls, kind, now);
        let standings = self.standings.borrow();
        let supported = |url| standings.get(url).and_then(|standing| standing.supported.as_ref());
        in_order.into_iter().filter_map(supported).find_map(|supported| supported.named(kind, RECEIVER_AUTHORIZER))
    }

    /// Whether one of the facilitators signs claims for this address. Nothing where none has said anything.
    pub fn signs_claims_for(&self, urls: &[String], kind: &SupportedKind, address: Address) -> Option<bool> {
        let standings = self.standings.borrow();
        let mut known = urls.iter().filter_map(|url| standings.get(url)?.supported.as_ref()).peekable();
        known.peek()?;
        Some(known.any(|supported| supported.named(kind, RECEIVER_AUTHORIZER) == Some(address)))
    }

    /// Leaves those out that are known to settle from other addresses only, unless all do.
    pub fn keep_those_of(&self, candidates: &mut Vec<&str>, kind: &SupportedKind, address: &str) {
        let Ok(address) = address.parse() else { return };
        let standings = self.standings.borrow();
        let may = |url: &&str| {
            let supported = standings.get(*url).and_then(|standing| standing.supported.as_ref());
            supported.is_none_or(|supported| supported.has(kind, address))
        };
        if candidates.iter().any(may) {
            candidates.retain(may);
        }
    }

    /// Whether the facilitator that is asked first for this kind has said that it knows the extension.
    pub fn knows_extension(&self, urls: &[String], kind: &SupportedKind, extension: &str, now: UnixTime) -> bool {
        self.in_use.set(true);
        let in_order = self.in_order(urls, kind, now);
        let standings = self.standings.borrow();
        let supported = in_order.first().and_then(|url| standings.get(*url)?.supported.as_ref());
        supported.is_some_and(|supported| supported.extensions.iter().any(|name| name == extension))
    }

    /// Those of whom nothing is known and that can be asked: not those that said nothing a moment ago.
    pub fn unknown<'a>(&self, urls: &'a [String], now: UnixTime) -> Vec<&'a str> {
        let standings = self.standings.borrow();
        let can_say = |standing: &Standing| standing.supported.is_none() && standing.silent_until <= now.0;
        let unknown = |url: &&str| standings.get(*url).is_none_or(can_say);
        urls.iter().map(String::as_str).filter(unknown).collect()
    }

    /// The facilitators in the order in which they are asked for this kind: those that do not settle it are left
    /// out (unless none does: then `/supported` is wrong somewhere, and all are asked); those whose breaker is
    /// open come last.
    pub fn in_order<'a>(&self, urls: &'a [String], kind: &SupportedKind, now: UnixTime) -> Vec<&'a str> {
        let standings = self.standings.borrow();
        let settles = |url: &&String| {
            let supported = standings.get(*url).and_then(|standing| standing.supported.as_ref());
            supported.is_none_or(|supported| supported.settles(kind))
        };
        let anyone = !urls.iter().any(|url| settles(&url));
        let chosen = urls.iter().filter(|url| anyone || settles(url)).map(String::as_str);
        let fails = |url: &&str| standings.get(*url).is_some_and(|standing| standing.open_until > now.0);
        let (failing, mut order): (Vec<&str>, Vec<&str>) = chosen.partition(fails);
        order.extend(failing);
        order
    }

    /// Whether the facilitator has failed so often that nothing should be sent to it now.
    pub fn is_open(&self, url: &str, now: UnixTime) -> bool {
        self.standings.borrow().get(url).is_some_and(|standing| standing.open_until > now.0)
    }

    /// It gave an answer that makes sense, whatever the answer.
    pub fn answered(&self, url: &str) {
        self.in_use.set(true);
        if let Some(standing) = self.standings.borrow_mut().get_mut(url) {
            (standing.failures, standing.open_until) = (0, 0);
        }
    }

    /// It gave none, or nonsense.
    pub fn failed(&self, url: &str, now: UnixTime) {
        self.in_use.set(true);
        self.with(url, |standing| {
            standing.failures = standing.failures.saturating_add(1);
            if standing.failures >= FAILURES_TO_OPEN {
                standing.open_until = now.plus(OPEN_SECONDS).0;
            }
        });
    }

    /// Those whose `/supported` should be asked now, since facilitators are in use. They are not named again for a
    /// while, so that requests which come meanwhile do not ask too.
    pub fn due<'a>(&self, urls: &'a [String], now: UnixTime) -> Vec<&'a str> {
        let mut due = Vec::new();
        if !self.in_use.replace(false) {
            return due;
        }
        for url in urls {
            self.with(url, |standing| {
                if standing.ask_at <= now.0 {
                    standing.ask_at = now.plus(TRY_KINDS_AGAIN_SECONDS).0;
                    due.push(url.as_str());
                }
            });
        }
        due
    }

    /// What `/supported` said. An answer without any kind that can be read teaches nothing.
    pub fn learn(&self, url: &str, supported: SupportedResponse, now: UnixTime) {
        if let Some(supported) = Supported::read(supported) {
            self.with(url, |standing| {
                standing.supported = Some(supported);
                standing.ask_at = now.plus(KEEP_KINDS_SECONDS).0;
            });
        }
    }

    /// `/supported` brought nothing.
    pub fn said_nothing(&self, url: &str, now: UnixTime) {
        self.with(url, |standing| standing.silent_until = now.plus(SILENT_SECONDS).0);
    }

    fn with(&self, url: &str, change: impl FnOnce(&mut Standing)) {
        let mut standings = self.standings.borrow_mut();
        if !standings.contains_key(url) && standings.len() >= MAX_REMEMBERED {
            standings.clear();
        }
        change(standings.entry(url.to_owned()).or_default());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: UnixTime = UnixTime(1000);

    fn urls(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn kind(network: &str) -> SupportedKind {
        SupportedKind { x402_version: 2, scheme: "exact".to_owned(), network: network.to_owned() }
    }

    fn learn(roster: &Roster, url: &str, networks: &[&str]) {
        let kinds = networks.iter().map(|network| json!({"x402Version": 2, "scheme": "exact", "network": network}));
        roster.learn(
            url,
            SupportedResponse { kinds: kinds.chain([json!("odd")]).collect(), ..SupportedResponse::default() },
            NOW,
        );
    }

    #[test]
    fn the_owners_order_holds_among_those_who_settle_the_kind() {
        let (roster, urls) = (Roster::default(), urls(&["a", "b", "c"]));
        assert_eq!(roster.in_order(&urls, &kind("eip155:1"), NOW), ["a", "b", "c"]);
        learn(&roster, "a", &["eip155:8453"]);
        learn(&roster, "c", &["eip155:*"]);
        assert_eq!(roster.in_order(&urls, &kind("eip155:1"), NOW), ["b", "c"]);
        learn(&roster, "b", &["eip155:8453"]);
        learn(&roster, "c", &["solana:x"]);
        assert_eq!(roster.in_order(&urls, &kind("eip155:1"), NOW), ["a", "b", "c"], "all say no: all are asked");
    }

    #[test]
    fn who_fails_again_and_again_is_asked_last_for_a_while() {
        let (roster, urls) = (Roster::default(), urls(&["a", "b"]));
        for _ in 0..FAILURES_TO_OPEN {
            assert_eq!(roster.in_order(&urls, &kind("eip155:1"), NOW), ["a", "b"]);
            roster.failed("a", NOW);
        }
        assert_eq!(roster.in_order(&urls, &kind("eip155:1"), NOW), ["b", "a"]);
        let later = NOW.plus(OPEN_SECONDS);
        assert_eq!(roster.in_order(&urls, &kind("eip155:1"), later), ["a", "b"]);
        roster.failed("a", later);
        assert!(roster.is_open("a", later));
        roster.answered("a");
        assert!(!roster.is_open("a", later));
    }

    #[test]
    fn a_failed_supported_changes_nothing_and_is_tried_again() {
        let (roster, urls) = (Roster::default(), urls(&["a"]));
        let due = |now| {
            roster.answered("a");
            roster.due(&urls, now)
        };
        assert!(roster.due(&urls, NOW).is_empty(), "nobody was asked for anything");
        assert_eq!(due(NOW), ["a"]);
        assert!(due(NOW).is_empty(), "one request asks for all");
        learn(&roster, "a", &["eip155:1"]);
        assert!(due(NOW.plus(TRY_KINDS_AGAIN_SECONDS)).is_empty());
        let later = NOW.plus(KEEP_KINDS_SECONDS);
        assert_eq!(due(later), ["a"]);
        roster.learn("a", SupportedResponse::default(), later);
        assert_eq!(roster.in_order(&urls, &kind("eip155:1"), later), ["a"]);
    }

    #[test]
    fn an_upto_payment_names_an_address_that_a_facilitator_settles_from() {
        let (roster, urls) = (Roster::default(), urls(&["a", "b"]));
        let kind = SupportedKind { x402_version: 2, scheme: "upto".to_owned(), network: "eip155:1".to_owned() };
        let [first, second, other] = [[1; 20], [2; 20], [3; 20]].map(Address::new);
        assert_eq!(roster.facilitator_address(&urls, &kind, NOW), None);
        assert_eq!(roster.knows_address(&urls, &kind, first), None, "nobody has said anything");
        roster.said_nothing("b", NOW);
        assert_eq!(roster.unknown(&urls, NOW), ["a"], "b was asked just now");
        assert_eq!(roster.unknown(&urls, NOW.plus(SILENT_SECONDS)), ["a", "b"]);
        let said = serde_json::from_value(json!({
            "kinds": [
                {"x402Version": 2, "scheme": "upto", "network": "eip155:1", "extra": {"facilitatorAddress": first.to_string()}},
                {"x402Version": 2, "scheme": "upto", "network": "eip155:2", "extra": {"facilitatorAddress": other.to_string()}},
            ],
            "extensions": ["eip2612GasSponsoring", 1],
            "signers": {"eip155:*": [first.to_string(), second.to_string(), "odd"]},
        }));
        roster.learn("b", said.unwrap(), NOW);
        assert_eq!(roster.facilitator_address(&urls, &kind, NOW), Some(first));
        assert_eq!(roster.knows_address(&urls, &kind, second), Some(true), "its other address");
        assert_eq!(roster.knows_address(&urls, &kind, other), Some(false));
        assert_eq!(roster.unknown(&urls, NOW), ["a"]);
        // The first in order has said nothing yet, so nothing is advertised.
        assert!(!roster.knows_extension(&urls, &kind, "eip2612GasSponsoring", NOW));
        assert!(roster.knows_extension(&urls[1..], &kind, "eip2612GasSponsoring", NOW));
        let said = serde_json::from_value(json!({
            "kinds": [{"x402Version": 2, "scheme": "upto", "network": "eip155:1", "extra": {"facilitatorAddress": other.to_string()}}],
            "extensions": null,
        }));
        roster.learn("a", said.unwrap(), NOW);
        let mut candidates = roster.in_order(&urls, &kind, NOW);
        roster.keep_those_of(&mut candidates, &kind, &second.to_string());
        assert_eq!(candidates, ["b"]);
    }
}
