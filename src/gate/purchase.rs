//! What a payment buys.

use crate::{
    ledger::{Exposure, Sale, Wish, budget_name},
    origin::{Paid, paid_forward},
    ports::{Forward, Request},
    prices::{MaxUnsettled, Settle, UsagePrice, Verify},
    schemes::{CheckedPayment, Proof},
    time::UnixTime,
    x402::{PaymentRequirements, X402Version},
};

use super::{Visit, answer::Challenge};

/// What is bought: the same for the first attempt and for every later one.
pub(super) struct Purchase<'a, R> {
    pub(super) visit: &'a Visit<'a, R>,
    pub(super) challenge: &'a Challenge<'a>,
    pub(super) version: X402Version,
    pub(super) paid: Paid,
}

impl<R: Request> Purchase<'_, R> {
    /// The route's key in the price document.
    pub(super) fn route(&self) -> &str {
        self.challenge.route_key()
    }

    /// What is bought, for the owner's books.
    pub(super) fn sale(&self, requirements: &PaymentRequirements, prices: Option<&str>) -> Sale {
        let Purchase { visit, paid, .. } = self;
        Sale {
            id: paid.idempotency_key.clone(),
            host: visit.target.authority.to_ascii_lowercase(),
            route: self.route().to_owned(),
            method: visit.request.method().to_owned(),
            payer: paid.payer.to_string(),
            pay_to: requirements.pay_to().to_string(),
            network: paid.network.to_string(),
            asset: paid.asset.to_string(),
            amount: paid.amount.to_string(),
            prices: prices.unwrap_or_default().to_owned(),
        }
    }

    /// Whether what is paid pays the request by the prices of now.
    pub(super) fn is_enough(&self) -> bool {
        let Paid { asset, amount, network, .. } = self.paid;
        let would_pay = |offer: &PaymentRequirements| {
            offer.network() == network && offer.asset() == asset && offer.amount() <= amount
        };
        self.challenge.quote().accepts().iter().any(would_pay)
    }

    /// The price document that quotes it for what is paid; empty where that is one of before.
    pub(super) fn quoted(&self, prices: Option<&str>) -> String {
        prices.filter(|_| self.is_enough()).unwrap_or_default().to_owned()
    }

    /// How often the origin may work for nothing.
    pub(super) fn max_unsettled(&self) -> MaxUnsettled {
        self.challenge.quote().route.policy().max_unsettled
    }

    /// What may come first for this payment: `/verify` or the origin.
    pub(super) fn wish(&self, payment: &CheckedPayment) -> Wish {
        let policy = self.challenge.quote().route.policy();
        match (payment.proof(), policy.verify) {
            // The money comes first, and nothing is verified.
            _ if policy.settle == Settle::Upfront => Wish::VerifyFirst,
            (Proof::Deferred(_), _) | (_, Verify::Always) => Wish::VerifyFirst,
            (Proof::Recovered, Verify::Never) => Wish::Trust,
            (Proof::Recovered, Verify::Auto) => Wish::Auto { safe: self.visit.only_reads() },
        }
    }

    /// What the answer may take of the route's budget, where it may leave before the money comes, or has to; `holder` is
    /// the payer's object.
    pub(super) fn exposure(&self, payment: &CheckedPayment, holder: &str, now: UnixTime) -> Option<Exposure> {
        let Purchase { visit, challenge, paid, .. } = self;
        let route = challenge.quote().route;
        let needed = self.ends_with_body(payment);
        if !needed && (route.policy().settle != Settle::Background || !payment.stays_good(now)) {
            return None;
        }
        let (_, decimals) = visit.table.ticker_and_decimals(paid.network, paid.asset)?;
        let max = route.policy().max_exposure.as_ref()?.in_token(decimals)?;
        Some(Exposure {
            budget: budget_name(route.host().unwrap_or_default(), route.key(), paid.network, paid.asset),
            holder: holder.to_owned(),
            payer: max.payer,
            route: max.route,
            amount: payment.requirements().amount(),
            needed,
            alone: false,
        })
    }

    /// The request as the origin gets it.
    pub(super) fn forward(&self, metered: bool) -> Forward {
        let mut forward = paid_forward(self.visit.forward(), &self.paid);
        if metered && self.reads_body() {
            // Bytes are counted, and usage is read, as they are.
            forward.edits.set.push(("Accept-Encoding", "identity".to_owned()));
        }
        forward
    }

    /// Whether what was used may be known only when the answer has ended.
    pub(super) fn ends_with_body(&self, payment: &CheckedPayment) -> bool {
        payment.is_metered() && self.reads_body()
    }

    fn reads_body(&self) -> bool {
        self.challenge.quote().route.policy().usage.as_ref().is_some_and(UsagePrice::reads_body)
    }
}
