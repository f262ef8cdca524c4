//! What channels and tills do without a request: claim, look at the chain, write the books; and when.

use worker::Result;

use super::{
    bindings::{ChannelKeys, channel_keys, ledger},
    channel_object::{ChannelObject, WRITE_CHARGES_AFTER_SECONDS, WRITE_MOVES_AFTER_SECONDS},
    channel_store::{ChannelStore, Kept, Outgoing},
    fetch::WorkerFetch,
    host::Host,
    ledger_object::alarm_at,
    ledger_stub::LedgerStub,
    roster,
};
use crate::{
    books::write_channels,
    chain,
    channels::{Bringing, ChannelLine, Claim, Command, Due, Means, Seen, on_alarm, till_name, told, wake},
    claims::Teller,
    evm::Signer,
    facilitator::Roster,
    ports::{Clock, Journal},
};

/// The longest pause after books that could not be written.
const WRITE_AGAIN_AFTER_AT_MOST_SECONDS: u64 = 300;

impl ChannelObject {
    /// What a channel does without a request.
    pub(super) async fn work_channel(&self) -> Result<()> {
        let Kept { account: Some(before), write_at } = self.store.kept()? else { return Ok(()) };
        let now = Host.now();
        let (after, Due { claim, look }) = on_alarm(before.clone(), now);
        let means = before.means.clone();
        if after.as_ref() != Some(&before) {
            self.keep(Some(&before), after, write_at)?;
        }
        if let Some(claim) = claim
            && let Some(means) = self.bring(claim.clone(), means.clone(), false).await
            && let Kept { account: Some(before), write_at } = self.store.kept()?
        {
            self.keep(Some(&before), Some(told(before.clone(), &claim, &means, now)), write_at)?;
        }
        if look {
            let id = format!("0x{}", hex::encode(before.channel.channel_id));
            let at = Host.now().0;
            let fetch = WorkerFetch::new(&self.env);
            if let Some(known) = chain::channels(&fetch, &means.rpc, &[id]).await.and_then(|all| all.into_iter().next())
            {
                let seen = Seen {
                    balance: known.balance,
                    total_claimed: known.total_claimed,
                    withdraw_requested_at: known.withdraw_requested_at,
                    refund_nonce: known.refund_nonce,
                    at,
                };
                self.carry_out(&before.channel.channel_id, Command::Look(seen))?;
            }
        }
        Ok(())
    }

    /// Tells the till, which says whom it asks; nothing where it cannot be reached. A claim is told again then; what is
    /// credited is paid out with the next one.
    pub(super) async fn bring(&self, claim: Claim, means: Means, credited: bool) -> Option<Means> {
        let till = till_name(&means.network, &claim.config);
        let told = match ledger(&self.env) {
            Some(stub) => stub.bring(&till, Bringing { claim, means, credited }).await.ok(),
            None => None,
        };
        if told.is_none() {
            Host.fault("channels: a till cannot be reached; it is told again");
        }
        told
    }

    pub(super) async fn work_till(&self) -> Result<()> {
        let Some(ledger) = ledger(&self.env) else { return Ok(()) };
        let (roster, keys) = (roster(), channel_keys(&self.env));
        let fetch = WorkerFetch::new(&self.env);
        self.teller(&fetch, &roster, &ledger, keys_of(&keys)).work().await
    }

    pub(super) fn teller<'a>(
        &'a self,
        fetch: &'a WorkerFetch,
        roster: &'a Roster,
        ledger: &'a LedgerStub,
        keys: &'a [Signer],
    ) -> Teller<'a, ChannelStore, WorkerFetch, Host, LedgerStub> {
        Teller { store: &self.store, fetch, host: &Host, roster, ledger, keys }
    }

    /// Empties the outbox into the books, with the channel's line where it is due. If they cannot be written, it waits.
    pub(super) async fn write_books(&self) -> Result<()> {
        let Some(database) = &self.books else { return Ok(()) };
        let kept = self.store.kept()?;
        let is_due = kept.write_at != 0 && kept.write_at <= Host.now().0;
        let line =
            kept.account.as_ref().filter(|_| is_due).map(|account| ChannelLine::of(account, false, Host.now().0));
        let (outgoing, last) = self.store.outbox()?;
        let (mut lines, mut moves) = (Vec::from_iter(line), Vec::new());
        for outgoing in outgoing {
            match outgoing {
                Outgoing::Line(line) => lines.push(*line),
                Outgoing::Moved(one) => moves.push(one),
            }
        }
        if lines.is_empty() && moves.is_empty() {
            return Ok(());
        }
        match write_channels(database, &lines, &moves, &self.migrated).await {
            Ok(()) => {
                self.failures.set(0);
                self.store.sent(last)?;
                // What was charged meanwhile is written the next time.
                let now = self.store.kept()?;
                if is_due && now.account.is_some() {
                    let same = now.account == kept.account;
                    let write_at = if same { 0 } else { Host.now().plus(WRITE_CHARGES_AFTER_SECONDS).0 };
                    self.store.keep(Kept { write_at, ..now })?;
                }
                Ok(())
            }
            Err(error) => {
                self.failures.set(self.failures.get().saturating_add(1));
                Host.fault(&error.to_string());
                Ok(())
            }
        }
    }

    /// Sets the alarm to the first thing that is to be done. One that comes too early does no harm.
    pub(super) async fn schedule(&self) -> Result<()> {
        let now = Host.now();
        let Some(next) = self.next_alarm()? else {
            let is_empty = self.store.kept()?.account.is_none() && self.store.is_made();
            if is_empty && !self.store.has_outbox()? && !self.store.is_till()? {
                self.alarm.set(None);
                self.store.clear().await?;
            }
            return Ok(());
        };
        let known = match self.alarm.get() {
            Some(known) => Some(known),
            None => {
                self.store.state().storage().get_alarm().await?.and_then(|millis| u64::try_from(millis / 1000).ok())
            }
        };
        // One that is over is not there any more, whatever is remembered.
        if let Some(known) = known.filter(|known| *known <= next && *known > now.0) {
            self.alarm.set(Some(known));
            return Ok(());
        }
        self.alarm.set(Some(next));
        self.store.state().storage().set_alarm(alarm_at(next)).await
    }

    /// When the first thing is to be done.
    pub(super) fn next_alarm(&self) -> Result<Option<u64>> {
        let now = Host.now();
        let kept = self.store.kept()?;
        let has_outbox = self.store.has_books() && self.store.has_outbox()?;
        let after_failures = |at: u64| match self.failures.get() {
            0 => at,
            count => at.max(now.plus((1 << count.min(9)).min(WRITE_AGAIN_AFTER_AT_MOST_SECONDS)).0),
        };
        let outbox = has_outbox.then(|| after_failures(now.plus(WRITE_MOVES_AFTER_SECONDS).0));
        let line = (kept.write_at != 0).then(|| after_failures(kept.write_at));
        let channel = kept.account.as_ref().map(wake);
        // One object keeps either.
        let claim = if kept.account.is_some() { None } else { self.store.next_claim()? };
        // A second in the future at least: an alarm in the past would come again at once, for ever.
        Ok([outbox, line, channel, claim].into_iter().flatten().min().map(|next| next.max(now.plus(1).0)))
    }
}

pub(super) fn keys_of(keys: &ChannelKeys) -> &[Signer] {
    keys.as_deref().unwrap_or_default()
}
