//! The till's work: claim for up to a hundred channels, drop those that fail, tell the channels, settle.

use std::rc::Rc;

use serde_json::json;

use crate::{
    channels::{Bringing, Command, GATHER_SECONDS, Means, Move, MoveKind, Pending, Till, channel_name},
    evm::{Signer, Uint256},
    facilitator::{ChannelSettlement, Roster},
    network::Network,
    ports::{Clock, Fetch, Journal, Ledger},
};

use super::{
    TillStore,
    bring::{is_about_all, till_terms},
};

/// Channels that one transaction claims.
const MAX_PER_BATCH: usize = 100;

/// Calls to facilitators that one run makes; the next run takes the rest.
const MAX_CALLS: usize = 24;

/// The receiver's own keys.
pub type Keys = Rc<Vec<Signer>>;

/// Works for one till.
#[derive(Debug)]
pub struct Teller<'a, S, F, H, L> {
    /// What it keeps.
    pub store: &'a S,
    /// Way to the facilitators and the chain.
    pub fetch: &'a F,
    /// The time, and where faults are told.
    pub host: &'a H,
    /// The facilitators' standing.
    pub roster: &'a Roster,
    /// Way to the channels.
    pub ledger: &'a L,
    /// The receiver's own keys; without one of the till's address a facilitator's key signs.
    pub keys: &'a [Signer],
}

pub(super) type Row = (String, Pending);

/// The batches to claim, the last one first. Rows that have failed go apart from the others, and the more often they
/// have, the fewer together: one that makes every answer get lost does not keep the others from being claimed.
fn apart(mut rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut batches = Vec::new();
    while let Some(failures) = rows.iter().map(|(_, pending)| pending.failures).max() {
        let (same, others): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|(_, row)| row.failures == failures);
        let most = MAX_PER_BATCH.checked_shr(failures).unwrap_or(0).max(1);
        batches.extend(same.chunks(most).map(<[Row]>::to_vec));
        rows = others;
    }
    batches
}

impl<S: TillStore, F: Fetch, H: Clock + Journal, L: Ledger> Teller<'_, S, F, H, L> {
    /// A channel brings a claim, or one that is credited already. Returns whom the till asks: by the newest request that
    /// any of its channels has told it of.
    pub fn take(&self, bringing: &Bringing) -> Result<Means, S::Error> {
        let Ok(network) = bringing.means.network.parse::<Network>() else { return Ok(bringing.means.clone()) };
        let till = match self.store.till()? {
            Some(known) => Till { means: known.means.or_newer(&bringing.means), ..known },
            None => Till::of(bringing),
        };
        let (now, means) = (self.host.now(), till.means.clone());
        let channel = bringing.claim.channel_id(network);
        let known = self.store.load(&channel)?;
        if bringing.credited {
            self.store.keep_till(&till.owing(now))?;
            if let Some(known) = known {
                self.store.save(&channel, &known.credited(bringing.claim.total, now))?;
            }
        } else {
            self.store.keep_till(&till)?;
            self.store.save(&channel, &Pending::brought(bringing.claim.clone(), known, now))?;
        }
        Ok(means)
    }

    /// Does what is due.
    pub async fn work(&self) -> Result<(), S::Error> {
        let Some(till) = self.store.till()? else { return Ok(()) };
        let Ok(network) = till.means.network.parse::<Network>() else { return Ok(()) };
        let now = self.host.now();
        let mut due = self.store.due(now, MAX_PER_BATCH)?;
        if !due.is_empty() {
            // What has come while the first one waited goes with it.
            due = self.store.due(now.plus(GATHER_SECONDS), MAX_PER_BATCH)?;
        }
        let (claimed, open): (Vec<Row>, Vec<Row>) = due.into_iter().partition(|(_, pending)| pending.claimed);
        for row in claimed {
            self.tell(network, row).await?;
        }
        let open = self.without_doubt(&till, network, open).await?;
        if !open.is_empty() {
            self.claim(&till, network, open).await?;
        }
        self.settle().await
    }

    /// Claims all of these; where that is refused, halves of them, until the one that fails stands alone.
    async fn claim(&self, till: &Till, network: Network, rows: Vec<Row>) -> Result<(), S::Error> {
        let mut batches = apart(rows);
        let mut calls = 0;
        while let Some(mut batch) = batches.pop() {
            if calls >= MAX_CALLS {
                // The next run begins with them.
                continue;
            }
            calls += 1;
            match self.send(till, network, &batch).await {
                ChannelSettlement::Done { transaction, .. } => {
                    self.claimed(till, network, batch, Some(&transaction)).await?;
                }
                ChannelSettlement::Refused(reason) | ChannelSettlement::Failed(reason) => {
                    let is_about_all = is_about_all(reason.as_str());
                    if batch.len() == 1 || is_about_all {
                        batches.extend(self.refused(till, network, batch, reason.as_str(), is_about_all).await?);
                    } else {
                        let rest = batch.split_off(batch.len() / 2);
                        batches.push(rest);
                        batches.push(batch);
                    }
                }
                ChannelSettlement::Unknown { .. } => {
                    self.host.fault(&format!("claim of {} channels: outcome unknown; asked for again", batch.len()));
                    for (channel, pending) in batch {
                        self.failed(&channel, &pending, true)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Claims that are refused wait, but for those of channels that hold less than was charged, their payers having taken
    /// it back before it was claimed: what they hold is claimed at once, each as a batch of its own.
    async fn refused(
        &self,
        till: &Till,
        network: Network,
        rows: Vec<Row>,
        reason: &str,
        is_about_all: bool,
    ) -> Result<Vec<Vec<Row>>, S::Error> {
        let mut again = Vec::new();
        for ((channel, pending), held) in self.still_open(till, network, rows).await? {
            // A newer claim may have come meanwhile, perhaps with more money.
            let is_newest = self.store.load(&channel)?.is_some_and(|now| now.claim.total <= pending.claim.total);
            let short = pending.shortened(held.as_ref().map(|held| held.balance));
            let Some(short) = short.filter(|_| is_newest && !is_about_all) else {
                self.host.fault(&format!("claim of channel {channel}: {reason}; tried again later"));
                self.failed(&channel, &pending, false)?;
                continue;
            };
            let holds = short.claim.total;
            let missing = pending.claim.total.checked_sub(holds).unwrap_or(Uint256::ZERO);
            self.host.fault(&format!("channel {channel} holds {holds}, {missing} less than was charged"));
            let is_empty = holds <= held.map_or(pending.claim.before, |held| held.total_claimed);
            self.store.save(&channel, &Pending { claimed: is_empty, ..short.clone() })?;
            if is_empty {
                self.tell(network, (channel, short)).await?;
            } else {
                again.push(vec![(channel, short)]);
            }
        }
        Ok(again)
    }

    /// A claim has failed once more. What has come meanwhile stays.
    fn failed(&self, channel: &str, sent: &Pending, doubtful: bool) -> Result<(), S::Error> {
        match self.store.load(channel)? {
            Some(now) => self.store.save(channel, &now.after(sent).failed(doubtful, self.host.now())),
            None => Ok(()),
        }
    }

    /// The chain has credited these: what was credited can be paid out, and the channels are told.
    pub(super) async fn claimed(
        &self,
        till: &Till,
        network: Network,
        rows: Vec<Row>,
        transaction: Option<&str>,
    ) -> Result<(), S::Error> {
        for (channel, pending) in &rows {
            let now = self.store.load(channel)?.unwrap_or_else(|| pending.clone());
            self.store.save(channel, &now.claimed(pending, self.host.now()))?;
        }
        if let Some(till) = self.store.till()?.filter(|till| till.settle_at == 0) {
            self.store.keep_till(&Till { settle_at: self.host.now().0, ..till })?;
        }
        if let Some(transaction) = transaction {
            let amounts = rows.iter().filter_map(|(_, Pending { claim, .. })| claim.total.checked_sub(claim.before));
            let amount = amounts.fold(Uint256::ZERO, |sum, amount| sum.checked_add(amount).unwrap_or(sum));
            self.store.note(&self.moved(till, MoveKind::Claim, amount.to_string(), rows.len(), transaction))?;
        }
        for row in rows {
            self.tell(network, row).await?;
        }
        Ok(())
    }

    /// Tells a channel that its claim is credited. If it cannot be told now, it is told later.
    async fn tell(&self, network: Network, (channel, pending): Row) -> Result<(), S::Error> {
        let object = channel_name(network, &pending.claim.config.channel_id(network.chain_id()));
        let claimed = Command::Claimed { total: pending.claim.total, short: pending.short };
        let told = self.ledger.channel(&object, claimed).await;
        // A newer claim may have come meanwhile: by it the channel is told later.
        match (told, self.store.load(&channel)?.filter(|now| now.claimed && now.claim.total <= pending.claim.total)) {
            (_, None) => Ok(()),
            (Ok(_), Some(_)) => self.store.forget(&channel),
            (Err(_), Some(now)) => self.store.save(&channel, &now.failed(false, self.host.now())),
        }
    }

    /// Pays out what is credited, if something is. Only what was claimed and mined: a claim is credited before it is
    /// settled.
    async fn settle(&self) -> Result<(), S::Error> {
        let now = self.host.now();
        let Some(till) = self.store.till()?.filter(|till| till.settle_at != 0 && till.settle_at <= now.0) else {
            return Ok(());
        };
        let Some(terms) = till_terms(&till) else { return Ok(()) };
        let payload = json!({ "type": "settle", "receiver": till.receiver, "token": till.token });
        let settlement = self.bring(&till, &terms, payload, till.failures).await;
        let asked_for = till.settle_at;
        let done = |till: Till| Till {
            settle_at: if till.settle_at == asked_for { 0 } else { till.settle_at },
            failures: 0,
            ..till
        };
        // Claims may have come meanwhile.
        let Some(till) = self.store.till()? else { return Ok(()) };
        match settlement {
            ChannelSettlement::Done { transaction, amount, .. } => {
                let amount = amount.unwrap_or_default();
                self.store.note(&self.moved(&till, MoveKind::Settle, amount, 0, &transaction))?;
                self.store.keep_till(&done(till))
            }
            ChannelSettlement::Refused(reason) if reason.as_str().ends_with("nothing_to_settle") => {
                self.store.keep_till(&done(till))
            }
            ChannelSettlement::Refused(reason) | ChannelSettlement::Failed(reason) => {
                self.host.fault(&format!("paying out to {}: {}; tried again later", till.receiver, reason.as_str()));
                self.store.keep_till(&till.failed(self.host.now()))
            }
            ChannelSettlement::Unknown { .. } => {
                self.host.fault(&format!("paying out to {}: outcome unknown; asked for again", till.receiver));
                self.store.keep_till(&till.failed(self.host.now()))
            }
        }
    }

    fn moved(&self, till: &Till, kind: MoveKind, amount: String, channels: usize, transaction: &str) -> Move {
        Move {
            kind,
            time: self.host.now().0,
            network: till.means.network.clone(),
            asset: till.token.to_string(),
            pay_to: till.receiver.to_string(),
            channel: String::new(),
            amount,
            channels,
            transaction: transaction.to_owned(),
        }
    }
}
