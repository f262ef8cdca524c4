//! When a payment is verified and settled: the keys `verify`, `settle`, `usage` and `maxExposure` of a
//! route.

use std::rc::Rc;

use crate::{schemes::exact, x402::PaymentRequirements};

use super::{Diagnosis, MaxExposure, Terms, UsagePrice, json::Members};

/// When `/verify` is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verify {
    /// As the payer stands with us: before, beside, or not at all.
    #[default]
    Auto,
    /// Before the origin, always.
    Always,
    /// Not at all, as long as the payer's payments settle.
    Never,
}

/// When the money moves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Settle {
    /// After the origin has said yes, before its answer leaves.
    #[default]
    After,
    /// Before the origin is asked (x402 `paymentFlow: "upfront"`).
    Upfront,
    /// While the answer leaves, for payers in good standing, within `maxExposure`; else after the origin has said yes.
    Background,
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// When `/verify` is asked.
    pub verify: Verify,
    /// When the money moves.
    pub settle: Settle,
    /// How much of a metered price was used, where the origin does not say it itself.
    pub usage: Option<UsagePrice>,
    /// What may leave before it is paid.
    pub max_exposure: Option<MaxExposure>,
}

/// The keys.
pub(super) const KEYS: [&str; 4] = ["verify", "settle", "usage", "maxExposure"];

impl Policy {
    pub(super) fn read(members: &Members<'_>, problems: &mut Vec<Diagnosis>) -> Self {
        let verify = members.read("verify", |node| node.word(&["auto", "always", "never"]), problems);
        let settle = members.read("settle", |node| node.word(&["after", "upfront", "background"]), problems);
        let settle = match settle {
            Some("upfront") => Settle::Upfront,
            Some("background") => Settle::Background,
            _ => Settle::After,
        };
        let max_exposure = members.get("maxExposure").and_then(|node| MaxExposure::read(node, problems));
        let usage = members.get("usage").and_then(|node| UsagePrice::read(node, problems));
        let asks = match (members.get("settle"), members.get("usage")) {
            (Some(node), _) if settle == Settle::Background => Some(node),
            (_, Some(node)) if usage.as_ref().is_some_and(UsagePrice::reads_body) => Some(node),
            _ => None,
        };
        match (asks, members.get("maxExposure")) {
            (Some(node), None) => problems.push(node.problem(
                "maxExposure is missing: write how much may leave unpaid, such as \"maxExposure\": {\"payer\": \"$0.10\", \"route\": \"$5\"}",
            )),
            // Where usage has mistakes of its own, nobody knows what it would have asked for.
            (None, Some(node)) if !members.has("usage") || usage.is_some() => problems.push(Diagnosis::new(
                &node.pointer,
                "maxExposure is for \"settle\": \"background\", and for usage of bytes or tokens: else nothing leaves before it is paid",
            )),
            _ => {}
        }
        if let (Some(node), Settle::Upfront) = (members.get("verify"), settle) {
            problems.push(Diagnosis::new(
                &node.pointer,
                "with \"settle\": \"upfront\" nobody verifies: settling itself shows whether a payment is good; leave verify out",
            ));
        }
        let verify = match verify {
            Some("always") => Verify::Always,
            Some("never") => Verify::Never,
            _ => Verify::Auto,
        };
        Self { verify, settle, usage, max_exposure }
    }

    /// The same terms, saying to clients what the policy means for them.
    pub(super) fn told_in(&self, terms: Terms) -> Terms {
        match (self.settle, terms) {
            (Settle::Upfront, Terms::Offers(offers)) => {
                // What is used is known only afterwards.
                let upfront = |offer: &PaymentRequirements| {
                    if offer.scheme() == exact::SCHEME {
                        offer.with_extra("paymentFlow", "upfront")
                    } else {
                        offer.clone()
                    }
                };
                Terms::Offers(offers.iter().map(upfront).collect::<Rc<_>>())
            }
            (_, terms) => terms,
        }
    }
}
