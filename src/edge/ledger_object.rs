//! The Durable Object that keeps one payer's payments in one token: reads, applies `ledger`'s rules, writes.
//! Nothing is awaited between reading and writing, so each command is applied whole.

use serde::Deserialize;
use worker::{
    DurableObject, Env, Request, Response, Result, ScheduledTime, SqlStorage, SqlStorageValue, State, durable_object,
    js_sys,
};

use wasm_bindgen::JsCast;

use super::{WorkerClock, WorkerJournal, bindings::credentials, fetch::WorkerFetch};
use crate::{
    facilitator::{Facilitators, Settlement},
    ledger::{Alarm, Command, Outcome, Payment, Reply, apply, on_alarm, wake},
    ports::Clock,
    time::UnixTime,
};

const SCHEMA: &str =
    "CREATE TABLE IF NOT EXISTS payments (nonce TEXT PRIMARY KEY, wake INTEGER NOT NULL, payment TEXT NOT NULL);
    CREATE INDEX IF NOT EXISTS payments_by_wake ON payments (wake);";

/// Payments that an object keeps at most: with about 2 KB each, 20 MB. Beyond it new ones wait.
const MAX_PAYMENTS: u64 = 10_000;

/// How long a payer waits whose object is full; old payments are forgotten meanwhile.
const FULL_RETRY_AFTER_SECONDS: u32 = 60;

/// Settlements that one alarm asks for, each up to a minute: the next alarm takes the rest.
const ASKED_PER_ALARM: usize = 5;

#[durable_object(alarm)]
pub struct LedgerObject {
    state: State,
    env: Env,
}

#[derive(Deserialize)]
struct Row {
    nonce: String,
    payment: String,
}

#[derive(Deserialize)]
struct Number {
    number: Option<u64>,
}

impl DurableObject for LedgerObject {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        let (nonce, command): (String, Command) = request.json().await?;
        let reply = self.apply(&nonce, command)?;
        self.schedule().await?;
        Response::from_json(&reply)
    }

    async fn alarm(&self) -> Result<Response> {
        self.sql().exec(SCHEMA, None)?;
        let now = WorkerClock.now();
        let due = "SELECT nonce, payment FROM payments WHERE wake <= ? ORDER BY wake LIMIT 100";
        let rows: Vec<Row> = self.sql().exec(due, vec![integer(now.0)?])?.to_array()?;
        let mut asked = Vec::new();
        for Row { nonce, payment } in rows {
            let payment: Payment = serde_json::from_str(&payment)?;
            match on_alarm(payment, now) {
                Alarm::Forget => self.forget(&nonce)?,
                Alarm::Ask(payment, attempt) if asked.len() < ASKED_PER_ALARM => {
                    self.store(&nonce, &payment)?;
                    asked.push((nonce, payment.hold, attempt));
                }
                Alarm::Ask(..) | Alarm::Wait(_) => {}
            }
        }
        let fetch = WorkerFetch { credentials: credentials(self.env.unchecked_ref()) };
        let facilitators = Facilitators::new(&[], &fetch, &WorkerJournal);
        for (nonce, hold, attempt) in asked {
            let outcome = match facilitators.resolve(&attempt, WorkerClock.now()).await {
                Settlement::Settled(receipt) => Outcome::Settled(receipt),
                Settlement::Refused(_) => Outcome::Released,
                Settlement::Unknown { .. } => Outcome::Unknown,
            };
            let settled = matches!(outcome, Outcome::Settled(_));
            self.apply(&nonce, Command::Close { hold, outcome: Box::new(outcome) })?;
            if settled {
                // Nobody is there to take the content: it is owed at once.
                self.apply(&nonce, Command::Delivered { hold, whole: false })?;
            }
        }
        if self.number("SELECT count(*) AS number FROM payments")? == Some(0) {
            // A payer who never paid leaves nothing behind.
            self.state.storage().delete_all().await?;
        } else {
            self.schedule().await?;
        }
        Response::empty()
    }
}

impl LedgerObject {
    fn sql(&self) -> SqlStorage {
        self.state.storage().sql()
    }

    fn apply(&self, nonce: &str, command: Command) -> Result<Reply> {
        // Each time: an object that has forgotten everything has given up its tables too.
        self.sql().exec(SCHEMA, None)?;
        let rows = self.sql().exec("SELECT nonce, payment FROM payments WHERE nonce = ?", vec![nonce.into()])?;
        let known = rows.to_array::<Row>()?.pop().map(|row| serde_json::from_str(&row.payment)).transpose()?;
        if known.is_none() && self.number("SELECT count(*) AS number FROM payments")?.unwrap_or(0) >= MAX_PAYMENTS {
            return Ok(Reply::Busy { retry_after: FULL_RETRY_AFTER_SECONDS });
        }
        let (payment, reply) = apply(known, command, WorkerClock.now());
        if let Some(payment) = payment {
            self.store(nonce, &payment)?;
        }
        Ok(reply)
    }

    fn store(&self, nonce: &str, payment: &Payment) -> Result<()> {
        let values = vec![nonce.into(), integer(wake(payment))?, serde_json::to_string(payment)?.into()];
        self.sql().exec("INSERT OR REPLACE INTO payments (nonce, wake, payment) VALUES (?, ?, ?)", values)?;
        Ok(())
    }

    fn forget(&self, nonce: &str) -> Result<()> {
        self.sql().exec("DELETE FROM payments WHERE nonce = ?", vec![nonce.into()])?;
        Ok(())
    }

    fn number(&self, query: &str) -> Result<Option<u64>> {
        Ok(self.sql().exec(query, None)?.one::<Number>()?.number)
    }

    /// Sets the alarm to the first payment's time.
    async fn schedule(&self) -> Result<()> {
        let Some(next) = self.number("SELECT min(wake) AS number FROM payments")? else { return Ok(()) };
        // A second in the future at least: an alarm in the past would come again at once, for ever.
        let UnixTime(now) = WorkerClock.now();
        self.state.storage().set_alarm(alarm_at(next.max(now + 1))).await
    }
}

fn integer(value: u64) -> Result<SqlStorageValue> {
    SqlStorageValue::try_from_i64(i64::try_from(value).unwrap_or(i64::MAX >> 11))
}

/// Unix seconds as the runtime's date. They come from our own clock and stay far below 2^53 ms.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
fn alarm_at(seconds: u64) -> ScheduledTime {
    ScheduledTime::new(js_sys::Date::new(&((seconds * 1000) as f64).into()))
}
