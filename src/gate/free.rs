//! Requests on priced paths that nobody is charged for: free quotas, an origin that says what costs, prices that are
//! only observed.

use crate::{
    evm::keccak256,
    origin::{paid_answer_edits, relayed_answer_edits},
    ports::{Clock, Counter, Fetch, FreeRequest, Journal, Ledger, Observation, Origin, OriginAnswer, Request},
    prices::{Inquiry, Per, Quote},
};

use super::{Answer, Gate, Visit, answer::Challenge, passes::payer_of_pass};

/// Why prices are not charged: they are only observed.
pub(super) const OBSERVE: &str = "observe";
/// The client is outside the share that is charged.
pub(super) const ROLLOUT: &str = "rollout";

const DAY_SECONDS: u64 = 24 * 60 * 60;

impl<F: Fetch, H: Clock + Journal, L: Ledger, N: Counter> Gate<'_, F, H, L, N> {
    /// A request without a payment: free while its quota lasts or the origin does not want to be paid, else 402.
    pub(super) async fn without_payment<R: Request, O: Origin>(
        &self,
        quote: &Quote<'_>,
        challenge: Challenge<'_>,
        inquiry: &Inquiry<'_>,
        visit: &Visit<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        let asks_origin = quote.route.challenges_401() && visit.only_reads();
        if !asks_origin && !self.is_within_quota(quote, inquiry, visit).await {
            return challenge.unpaid().into();
        }
        match self.ask_origin(visit, origin).await {
            Ok(answer) if asks_origin && answer.status() == 401 => challenge.unpaid().into(),
            Ok(answer) => {
                // The next client may have to pay for the same.
                let edits = paid_answer_edits(answer.header("Cache-Control").as_deref());
                self.relayed(answer, visit, edits)
            }
            Err(answer) => answer.into(),
        }
    }

    /// Whether the request is one of its client's free ones. Whatever is not known or cannot be reached, pays.
    async fn is_within_quota<R: Request>(
        &self,
        quote: &Quote<'_>,
        inquiry: &Inquiry<'_>,
        visit: &Visit<'_, R>,
    ) -> bool {
        let (Some(free), Some(counter)) = (quote.route.quota(), self.counter) else { return false };
        let address = || inquiry.client.prefix().map(|prefix| prefix.to_string());
        let client = match free.per {
            Per::Ip => address(),
            Per::VerifiedBot => address().filter(|_| inquiry.client.verified_bot == Some(true)),
            Per::Payer => {
                let keys = self.passes.keys.ok();
                keys.and_then(|keys| payer_of_pass(keys, visit, self.host.now())).map(|payer| payer.to_lowercase())
            }
        };
        let Some(client) = client else { return false };
        let route = keccak256(format!("{}\n{}", quote.route.host().unwrap_or_default(), quote.route.key()).as_bytes());
        let request = FreeRequest {
            counter: format!("{} {}", hex::encode(&route[..16]), self.host.now().0 / DAY_SECONDS),
            client,
            requests: free.requests,
            total: free.total,
        };
        counter.take(&request).await.unwrap_or_else(|down| {
            self.host.fault(&format!("quota: {down}; the request pays"));
            false
        })
    }

    /// Serves free, and counts what would have been charged. A payment in the request ends here, unused.
    pub(super) async fn observe<R: Request, O: Origin>(
        &self,
        quote: &Quote<'_>,
        reason: &'static str,
        visit: &Visit<'_, R>,
        origin: &O,
    ) -> Answer<O::Answer> {
        if let Some(counter) = self.counter {
            let offer = quote.accepts().first();
            counter.observe(Observation {
                version: self.prices.version().unwrap_or_default().to_owned(),
                host: quote.route.host().unwrap_or_default().to_owned(),
                route: quote.route.key().to_owned(),
                rule: quote.rule,
                reason,
                offer: offer
                    .map(|offer| (offer.network().to_string(), offer.asset().to_string(), offer.amount().to_string())),
            });
        }
        match self.ask_origin(visit, origin).await {
            // The next client may not be outside the share.
            Ok(answer) if reason == ROLLOUT => {
                let edits = paid_answer_edits(answer.header("Cache-Control").as_deref());
                self.relayed(answer, visit, edits)
            }
            Ok(answer) => self.relayed(answer, visit, relayed_answer_edits()),
            Err(answer) => answer.into(),
        }
    }
}
