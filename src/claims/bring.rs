//! What a till has facilitators bring to the chain: claims, signed by the receiver's key, and settlements.

use serde_json::{Value, json};

use crate::{
    channels::{Pending, Till},
    evm::{Address, Signer, signing_hash},
    facilitator::{ChannelSettlement, Facilitators, server_payload, server_terms},
    network::Network,
    ports::{Clock, Fetch, Journal, Ledger},
    schemes::batch_settlement::{ClaimBatch, domain},
    x402::PaymentRequirements,
};

use super::{
    TillStore,
    teller::{Row, Teller},
};

/// Codes that say that the facilitator does not sign for this receiver; another one may.
const NOT_MINE: [&str; 4] =
    ["authorizer_not_configured", "authorizer_address_mismatch", "unsupported_scheme", "unsupported_network"];

impl<S: TillStore, F: Fetch, H: Clock + Journal, L: Ledger> Teller<'_, S, F, H, L> {
    /// Has a facilitator bring the claims to the chain.
    pub(super) async fn send(&self, till: &Till, network: Network, batch: &[Row]) -> ChannelSettlement {
        let Some(terms) = terms(till, batch) else { return ChannelSettlement::Unknown { deadline: false } };
        let claims: Vec<_> = batch
            .iter()
            .map(|(_, Pending { claim, .. })| {
                json!({
                    "voucher": { "channel": claim.config, "maxClaimableAmount": claim.max },
                    "signature": claim.signature,
                    "totalClaimed": claim.total,
                })
            })
            .collect();
        let mut payload = json!({ "type": "claim", "claims": claims });
        if let Some(signer) = self.signer(till.authorizer) {
            let entries = batch.iter().map(|(_, pending)| pending.claim.entry(network));
            let hash = signing_hash(&domain(network.chain_id()), &ClaimBatch { claims: entries.collect() });
            payload["claimAuthorizerSignature"] = json!(signer.sign(&hash));
        }
        let failures = batch.iter().map(|(_, pending)| pending.failures).max().unwrap_or(0);
        self.bring(till, &terms, payload, failures).await
    }

    /// By one facilitator after the other where one does not do it at all, else by the next one at the next try.
    pub(super) async fn bring(
        &self,
        till: &Till,
        terms: &PaymentRequirements,
        payload: Value,
        failures: u32,
    ) -> ChannelSettlement {
        let facilitators = self.facilitators();
        let mut urls = facilitators.for_channels(&till.means.facilitators, terms);
        if !urls.is_empty() {
            let first = usize::try_from(failures).unwrap_or(0) % urls.len();
            urls.rotate_left(first);
        }
        let Some(payload) = server_payload(terms, payload) else {
            return ChannelSettlement::Unknown { deadline: false };
        };
        let mut last = ChannelSettlement::Unknown { deadline: false };
        for url in urls {
            last = facilitators.settle_channel(url, &payload, terms).await;
            match &last {
                ChannelSettlement::Refused(reason) if NOT_MINE.iter().any(|code| reason.as_str().ends_with(code)) => {}
                _ => break,
            }
        }
        last
    }

    fn signer(&self, address: Address) -> Option<&Signer> {
        self.keys.iter().find(|key| key.address() == address)
    }

    pub(super) fn facilitators(&self) -> Facilitators<'_, F, H> {
        Facilitators::new(self.fetch, self.host, self.roster)
    }
}

/// Whether a refusal has nothing to do with any of the channels: trying halves would be refused likewise.
pub(super) fn is_about_all(reason: &str) -> bool {
    NOT_MINE.iter().chain(&["rpc_read_failed", "invalid_payment_requirements"]).any(|code| reason.ends_with(code))
}

pub(super) fn terms(till: &Till, batch: &[Row]) -> Option<PaymentRequirements> {
    let delay = batch.first().map_or(0, |(_, pending)| pending.claim.config.withdraw_delay);
    server_terms(&till.means.network, till.token, till.receiver, till.authorizer, delay)
}

pub(super) fn till_terms(till: &Till) -> Option<PaymentRequirements> {
    server_terms(&till.means.network, till.token, till.receiver, till.authorizer, 0)
}
