//! What a till finds out of channels before it claims again: by the chain, or by a facilitator's word.

use serde_json::json;

use crate::{
    chain,
    channels::{Pending, Till},
    evm::Uint256,
    facilitator::{ChannelVerification, server_payload},
    network::Network,
    ports::{Clock, Fetch, Journal, Ledger},
};

use super::{
    TillStore,
    bring::terms,
    teller::{Row, Teller},
};

/// Channels that are asked for in one question to the chain.
const MAX_PER_QUESTION: usize = 30;

/// Channels that a facilitator is asked for one by one, in one run, where the owner names no RPC.
const MAX_ASKED: usize = 5;

/// A facilitator's word about one channel.
const ASK_WITHIN: std::time::Duration = std::time::Duration::from_secs(5);

/// What a channel holds on chain, and what is claimed of it.
pub(super) struct Held {
    pub(super) balance: Uint256,
    pub(super) total_claimed: Uint256,
}

impl<S: TillStore, F: Fetch, H: Clock + Journal, L: Ledger> Teller<'_, S, F, H, L> {
    /// Those of which it is known that they are not credited yet. What is doubtful and cannot be asked for waits.
    pub(super) async fn without_doubt(
        &self,
        till: &Till,
        network: Network,
        rows: Vec<Row>,
    ) -> Result<Vec<Row>, S::Error> {
        let (doubtful, mut open): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|(_, pending)| pending.doubtful);
        // Claims are cumulative: sent twice, nothing moves twice.
        open.extend(self.still_open(till, network, doubtful).await?.into_iter().map(|(row, _)| row));
        Ok(open)
    }

    /// Those of these that the chain has not credited, as far as is known, and what was found of them.
    pub(super) async fn still_open(
        &self,
        till: &Till,
        network: Network,
        rows: Vec<Row>,
    ) -> Result<Vec<(Row, Option<Held>)>, S::Error> {
        let (mut open, mut credited) = (Vec::new(), Vec::new());
        let mut asked = 0;
        for part in rows.chunks(MAX_PER_QUESTION) {
            let ids: Vec<String> = part.iter().map(|(channel, _)| channel.clone()).collect();
            let known = chain::channels(self.fetch, &till.means.rpc, &ids).await;
            for (index, (channel, pending)) in part.iter().enumerate() {
                let held = match &known {
                    Some(known) => known
                        .get(index)
                        .map(|channel| Held { balance: channel.balance, total_claimed: channel.total_claimed }),
                    None if asked < MAX_ASKED => {
                        asked += 1;
                        self.by_word(till, pending).await
                    }
                    None => None,
                };
                // More claimed than was ever asked for, or than there is, is nobody's word: what is sent twice moves
                // nothing twice.
                let most = |held: &Held| pending.claim.max.min(held.balance);
                let held = held.filter(|held| held.total_claimed <= most(held));
                match &held {
                    Some(held) if held.total_claimed >= pending.claim.total => {
                        credited.push((channel.clone(), pending.clone()));
                    }
                    Some(_) => open.push(((channel.clone(), Pending { doubtful: false, ..pending.clone() }), held)),
                    None => open.push(((channel.clone(), pending.clone()), None)),
                }
            }
        }
        if !credited.is_empty() {
            self.claimed(till, network, credited, None).await?;
        }
        Ok(open)
    }

    /// What a facilitator says of a channel: it tells that of a refund that nobody asks it to bring.
    async fn by_word(&self, till: &Till, pending: &Pending) -> Option<Held> {
        let terms = terms(till, std::slice::from_ref(&(String::new(), pending.clone())))?;
        let claim = &pending.claim;
        let network: Network = till.means.network.parse().ok()?;
        let payload = json!({
            "type": "refund",
            "channelConfig": claim.config,
            "voucher": {
                "channelId": claim.channel_id(network),
                "maxClaimableAmount": claim.max,
                "signature": claim.signature,
            },
        });
        let payload = server_payload(&terms, payload)?;
        let urls = &till.means.facilitators;
        match self.facilitators().verify_channel(urls, &payload, &terms, ASK_WITHIN).await {
            ChannelVerification::Good(seen, _) => {
                Some(Held { balance: seen.balance, total_claimed: seen.total_claimed })
            }
            _ => None,
        }
    }
}
