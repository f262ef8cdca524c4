//! When a payment is verified and settled: the keys `verify` and `settle` of a route.

use std::rc::Rc;

use crate::{schemes::exact, x402::PaymentRequirements};

use super::{Diagnosis, Terms, json::Members};

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
}

/// Both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Policy {
    /// When `/verify` is asked.
    pub verify: Verify,
    /// When the money moves.
    pub settle: Settle,
}

/// The keys.
pub(super) const KEYS: [&str; 2] = ["verify", "settle"];

impl Policy {
    pub(super) fn read(members: &Members<'_>, problems: &mut Vec<Diagnosis>) -> Self {
        let verify = members.read("verify", |node| node.word(&["auto", "always", "never"]), problems);
        let settle = members.read("settle", |node| node.word(&["after", "upfront"]), problems);
        let settle = if settle == Some("upfront") { Settle::Upfront } else { Settle::After };
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
        Self { verify, settle }
    }

    /// The same terms, saying to clients what the policy means for them.
    pub(super) fn told_in(self, terms: Terms) -> Terms {
        match (self.settle, terms) {
            (Settle::Upfront, Terms::Offers(offers)) => {
                // What is used is known only afterwards.
                let upfront = |offer: &PaymentRequirements| {
                    if offer.scheme() != exact::SCHEME {
                        offer.clone()
                    } else {
                        offer.with_extra("paymentFlow", "upfront")
                    }
                };
                Terms::Offers(offers.iter().map(upfront).collect::<Rc<_>>())
            }
            (_, terms) => terms,
        }
    }
}
