//! The Durable Object that keeps one payment channel, or the till of many: a thin shell around [`crate::channels`] and
//! [`crate::claims`].

use std::{cell::Cell, rc::Rc, time::Duration};

use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use worker::{Result, worker_sys::DurableObjectState};

use super::{
    bindings::{channel_keys, database, ledger},
    channel_store::{ChannelStore, Kept, Outgoing},
    channel_work::keys_of,
    database::Database,
    fetch::WorkerFetch,
    host::Host,
    ledger_object::alarm_at,
    object::said,
    roster,
};
use crate::{
    channels::{Account, Asked, Bringing, ChannelLine, Claim, Command, Move, MoveKind, Reply, apply},
    evm::Hash32,
    json,
    ports::{Background, Clock, Journal},
};

/// What may be lost is stored after this.
const SAVE_AFTER: Duration = Duration::from_secs(1);

/// What moved on chain goes to the books so soon, what was charged out of a channel so late: many charges are one line.
pub(super) const WRITE_MOVES_AFTER_SECONDS: u64 = 1;
pub(super) const WRITE_CHARGES_AFTER_SECONDS: u64 = 20;

/// What goes over the wire to an object.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum ChannelMessage {
    /// For a channel, by its id (64 digits).
    Channel { id: String, command: Command },
    /// For a till.
    Till(Box<Bringing>),
}

/// Made and called by the Worker's entry (`dev/entry/objects.js`).
#[wasm_bindgen]
pub struct ChannelObject {
    pub(super) store: Rc<ChannelStore>,
    pub(super) env: JsValue,
    pub(super) books: Option<Database>,
    /// Whether what is known will be stored in a moment.
    saving: Rc<Cell<bool>>,
    /// Whether the books' tables are up to date.
    pub(super) migrated: Cell<bool>,
    /// Failures in a row to write the books.
    pub(super) failures: Cell<u32>,
    /// When the alarm comes, where that is known.
    pub(super) alarm: Cell<Option<u64>>,
}

#[wasm_bindgen]
impl ChannelObject {
    #[wasm_bindgen(constructor)]
    pub fn new(state: DurableObjectState, env: JsValue) -> Self {
        let books = database(&env);
        Self {
            store: Rc::new(ChannelStore::new(state.into(), books.is_some())),
            env,
            books,
            saving: Rc::default(),
            migrated: Cell::new(false),
            failures: Cell::new(0),
            alarm: Cell::new(None),
        }
    }

    /// The reply to a [`ChannelMessage`].
    pub async fn tell(&self, message: String) -> Result<String, JsValue> {
        match json::read(&message).map_err(worker::Error::from)? {
            ChannelMessage::Channel { id, command } => {
                let mut bytes = [0; 32];
                hex::decode_to_slice(&id, &mut bytes).map_err(|error| worker::Error::RustError(error.to_string()))?;
                let refunding = match &command {
                    Command::Refunded { .. } => self.store.kept()?.account.filter(Account::is_claimable),
                    _ => None,
                };
                let reply = self.carry_out(&bytes, command)?;
                if let (Reply::Done, Some(account)) = (&reply, refunding) {
                    // What was charged was claimed with the refund.
                    self.bring(Claim::of(&account, false), account.means, true).await;
                }
                self.schedule().await?;
                said(&reply)
            }
            ChannelMessage::Till(bringing) => {
                let (roster, keys) = (roster(), channel_keys(&self.env));
                let fetch = WorkerFetch::new(&self.env);
                let ledger = ledger(&self.env).ok_or_else(|| JsValue::from_str("no ledger"))?;
                let means = self.teller(&fetch, &roster, &ledger, keys_of(&keys)).take(&bringing)?;
                self.schedule().await?;
                said(&means)
            }
        }
    }

    /// Never fails: an alarm that does is given up after a few tries, and with it what was to be claimed.
    pub async fn alarm(&self) -> Result<(), JsValue> {
        self.alarm.set(None);
        let worked = match self.store.is_till() {
            Ok(true) => self.work_till().await,
            Ok(false) => self.work_channel().await,
            Err(error) => Err(error),
        };
        if let Err(error) = worked.and(self.write_books().await) {
            Host.fault(&format!("channels: {error}; tried again"));
        }
        self.schedule().await?;
        Ok(())
    }

    /// The reply to what comes most and needs no waiting: a voucher, its charge, the end of its answer's way. Nothing
    /// where [`Self::tell`] has to be asked; then nothing was done.
    #[wasm_bindgen(js_name = atOnce)]
    pub fn at_once(&self, message: &str) -> std::result::Result<Option<String>, JsValue> {
        let now = Host.now();
        let Some(alarm) = self.alarm.get().filter(|at| *at > now.0) else { return Ok(None) };
        let Ok(ChannelMessage::Channel { id, command }) = json::read(message) else { return Ok(None) };
        let is_plain = match &command {
            Command::Present(presentation) => presentation.asked == Asked::Voucher,
            Command::Charge { deposited, .. } => deposited.is_none(),
            Command::Delivering { .. } | Command::Delivered { .. } => true,
            _ => false,
        };
        let mut bytes = [0; 32];
        if !is_plain || hex::decode_to_slice(&id, &mut bytes).is_err() || self.store.kept()?.account.is_none() {
            return Ok(None);
        }
        let reply = self.carry_out(&bytes, command)?;
        // The alarm that is set comes in any case; where it has to come sooner, that is set behind the reply.
        if let Some(next) = self.next_alarm()?.filter(|next| *next < alarm) {
            self.alarm.set(Some(next));
            let store = Rc::clone(&self.store);
            Host.spawn(async move {
                if let Err(error) = store.state().storage().set_alarm(alarm_at(next)).await {
                    Host.fault(&format!("channels: {error}"));
                }
            });
        }
        Ok(serde_json::to_string(&reply).ok())
    }
}

impl ChannelObject {
    /// Applies a command: nothing is awaited between reading and writing.
    pub(super) fn carry_out(&self, id: &Hash32, command: Command) -> Result<Reply> {
        let Kept { account: before, write_at } = self.store.kept()?;
        let refund = match &command {
            Command::Refunded { transaction, amount, .. } => Some((transaction.clone(), amount.to_string())),
            _ => None,
        };
        let may_be_lost = match &command {
            // A hold by which nothing was moved yet.
            Command::Present(_) | Command::Delivering { .. } | Command::Delivered { .. } => true,
            Command::Release { touched, .. } => !touched,
            Command::Settling { .. }
            | Command::Charge { .. }
            | Command::Refunded { .. }
            | Command::Claimed { .. }
            | Command::Look(_) => false,
        };
        let (after, reply) = apply(before.clone(), id, command, Host.now());
        let odd = |account: &Option<Account>| account.as_ref().and_then(|account| account.odd);
        if let Some(is_odd) = odd(&after).filter(|_| odd(&after) != odd(&before)) {
            Host.fault(&format!("channel 0x{}: {is_odd}", hex::encode(id)));
        }
        if after != before {
            if may_be_lost && before.is_some() && after.is_some() {
                self.store.know(Kept { account: after, write_at });
                self.save_later();
            } else {
                self.keep(before.as_ref(), after, write_at)?;
            }
        }
        let moved = match (&reply, refund, &before) {
            (Reply::Charged(receipt), _, Some(account)) if !receipt.transaction.is_empty() => {
                let amount = receipt.deposited.map_or_else(String::new, |amount| amount.to_string());
                Some(moved(account, MoveKind::Deposit, receipt.transaction.clone(), amount))
            }
            (Reply::Done, Some((transaction, amount)), Some(account)) => {
                Some(moved(account, MoveKind::Refund, transaction, amount))
            }
            _ => None,
        };
        if let Some(moved) = moved {
            self.store.send(&Outgoing::Moved(moved))?;
        }
        Ok(reply)
    }

    /// Stores what is known, a little later: the next request may bring what must be stored anyway, and nobody waits for
    /// this.
    fn save_later(&self) {
        if self.saving.replace(true) {
            return;
        }
        let (store, saving) = (Rc::clone(&self.store), Rc::clone(&self.saving));
        Host.spawn(async move {
            Host.pause(SAVE_AFTER).await;
            saving.set(false);
            if let Err(error) = store.save_known() {
                Host.fault(&format!("channels: {error}"));
            }
        });
    }

    /// Keeps a changed channel; its line goes to the books a little later, the last one at once.
    pub(super) fn keep(&self, before: Option<&Account>, after: Option<Account>, write_at: u64) -> Result<()> {
        let now = Host.now();
        let line = |account: &Account, closed| ChannelLine::of(account, closed, now.0);
        let write_at = match (before, &after) {
            (Some(before), None) if before.requests > 0 => {
                self.store.send(&Outgoing::Line(Box::new(line(before, true))))?;
                0
            }
            (_, None) => 0,
            (before, Some(after)) => {
                let known = before.map(|before| ChannelLine { time: now.0, ..line(before, false) });
                let changed = after.requests > 0 && known.as_ref() != Some(&line(after, false));
                let moved = before.is_none_or(|before| {
                    before.channel.balance != after.channel.balance
                        || before.channel.total_claimed != after.channel.total_claimed
                });
                let pause = if moved { WRITE_MOVES_AFTER_SECONDS } else { WRITE_CHARGES_AFTER_SECONDS };
                let at = now.plus(pause).0;
                match (changed && self.store.has_books(), write_at) {
                    (false, known) => known,
                    (true, 0) => at,
                    (true, known) => known.min(at),
                }
            }
        };
        self.store.keep(Kept { account: after, write_at })
    }
}

fn moved(account: &Account, kind: MoveKind, transaction: String, amount: String) -> Move {
    let config = account.config();
    Move {
        kind,
        time: Host.now().0,
        network: account.means.network.clone(),
        asset: config.token.to_string(),
        pay_to: config.receiver.to_string(),
        channel: format!("0x{}", hex::encode(account.channel.channel_id)),
        amount,
        channels: 1,
        transaction,
    }
}
