//! What a route takes from its host and the document where it is silent.

use std::{cell::RefCell, rc::Rc};

use crate::x402::PaymentRequirements;

use super::{
    Diagnosis,
    fnv::FnvMap,
    json::Members,
    offer::{self, Defaults},
    rollout::Rollout,
    token::Tokens,
};

/// Keys that the document, a host and (all but the defaults) a route may have.
pub(super) const KEYS: [&str; 6] = ["payTo", "network", "asset", "maxTimeoutSeconds", "mode", "rollout"];

/// Whether prices are charged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    #[default]
    Charge,
    /// Everything is served free, and what would have been charged is counted.
    Observe,
}

/// Inherited values; each is valid already.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) defaults: Defaults,
    mode: Mode,
    rollout: Rollout,
    /// Offers by how they are written: most routes of a site cost the same.
    pub(super) offers: RefCell<FnvMap<String, Rc<[PaymentRequirements]>>>,
}

impl Scope {
    /// The same with whatever `members` say otherwise.
    #[must_use]
    pub(super) fn within(&self, members: &Members<'_>, tokens: &Tokens, problems: &mut Vec<Diagnosis>) -> Self {
        let defaults = &self.defaults;
        let network = |node: &_| offer::read_network(node, tokens);
        let (mode, rollout) = self.charging(members, problems);
        Self {
            defaults: Defaults {
                pay_to: members.read("payTo", offer::read_pay_to, problems).or(defaults.pay_to),
                network: members.read("network", network, problems).or(defaults.network),
                asset: members.read("asset", offer::read_asset, problems).or_else(|| defaults.asset.clone()),
                max_timeout_seconds: members
                    .read("maxTimeoutSeconds", offer::read_timeout, problems)
                    .or(defaults.max_timeout_seconds),
            },
            mode,
            rollout,
            offers: RefCell::default(),
        }
    }

    /// Whether and to whom prices are charged, where `members` may say it otherwise.
    pub(super) fn charging(&self, members: &Members<'_>, problems: &mut Vec<Diagnosis>) -> (Mode, Rollout) {
        let mode = members.read("mode", |node| node.word(&["charge", "observe"]), problems);
        let mode = mode.map_or(self.mode, |mode| if mode == "observe" { Mode::Observe } else { Mode::Charge });
        (mode, members.read("rollout", Rollout::read, problems).unwrap_or(self.rollout))
    }
}
