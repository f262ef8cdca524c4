//! The price document in KV, kept for a few seconds by each isolate; and the last good one where KV has none.

use std::{cell::RefCell, pin::pin, time::Duration};

use futures_util::future::{Either, LocalBoxFuture, select};
use wasm_bindgen::{JsCast, JsValue};
use worker::{Date, Delay, Env};

use super::{
    bindings::{self, price_history},
    host::Host,
    object::call,
};
use crate::{
    ports::{Clock, Journal, NoAnswer},
    prices::{Ask, Diagnosis, Seen, Snapshot, Told, VANISHED, hash_of},
    time::UnixTime,
};

/// The document's key.
const KEY: &str = "prices";

/// How long an isolate uses what it read, on top of KV's own delay.
const KEEP_MILLIS: u64 = 10_000;

/// KV answers in milliseconds; a read that hangs must not hang the site.
const READ_WITHIN_MILLIS: u64 = 3_000;

/// The history answers in milliseconds. An isolate that starts waits for it; one that runs waits for nothing.
const ASK_WITHIN: Duration = Duration::from_secs(1);

/// The name of the one object that keeps the history.
const HISTORY: &str = "prices";

/// Problems of one document that go to the log.
const MAX_LOGGED: usize = 20;

/// What an isolate knows.
#[derive(Clone)]
struct Kept {
    read_at: u64,
    /// Whether prices are being read: what is kept may change at any moment.
    reading: bool,
    snapshot: Snapshot,
    /// The newest document in KV, and what is wrong with it.
    newest: Option<(String, Vec<Diagnosis>)>,
    /// The newest good one in KV.
    good: Option<String>,
    /// Whether the history has agreed to it.
    agreed: bool,
}

thread_local! {
    /// Values are kept, never futures: a request must not wait for another one's I/O.
    static KEPT: RefCell<Kept> = RefCell::new(Kept {
        read_at: 0,
        reading: false,
        snapshot: Snapshot::unread(),
        newest: None,
        good: None,
        agreed: false,
    });
}

/// The prices. Only an isolate that has none yet waits; later they are read anew from time to time, in work that
/// `spawn` is given.
pub(super) async fn current(env: &Env, spawn: impl FnOnce(LocalBoxFuture<'static, ()>)) -> Snapshot {
    let now = Host.millis();
    let (read_at, kept) = KEPT.with_borrow(|kept| (kept.read_at, kept.snapshot.clone()));
    let has_prices = kept.table().is_some();
    if has_prices && now.saturating_sub(read_at) < KEEP_MILLIS {
        return kept;
    }
    // Noted before the wait: requests that come meanwhile use what is kept. Only while KV may still answer,
    // since work that is cut off brings nothing.
    KEPT.with_borrow_mut(|kept| {
        kept.read_at = (now + READ_WITHIN_MILLIS).saturating_sub(KEEP_MILLIS);
        kept.reading = true;
    });
    let env = env.clone();
    if has_prices {
        spawn(Box::pin(async move { refresh(&env).await }));
        return kept;
    }
    refresh(&env).await;
    KEPT.with_borrow(|kept| kept.snapshot.clone())
}

/// Does something with the prices that are kept, unless it is time to read them anew.
pub(super) fn with_fresh<T>(work: impl FnOnce(&Snapshot) -> Option<T>) -> Option<T> {
    let now = Host.millis();
    KEPT.with_borrow(|kept| (now.saturating_sub(kept.read_at) < KEEP_MILLIS).then(|| work(&kept.snapshot)).flatten())
}

/// Until when the prices that are kept are not read anew, and so do not change; milliseconds since 1970. Nothing while they
/// are being read.
pub(super) fn fresh_until() -> Option<u64> {
    KEPT.with_borrow(|kept| (!kept.reading).then_some(kept.read_at + KEEP_MILLIS))
}

/// Does something with the prices that are kept, however old.
pub(super) fn with_kept<T>(work: impl FnOnce(&Snapshot) -> T) -> T {
    KEPT.with_borrow(|kept| work(&kept.snapshot))
}

async fn refresh(env: &Env) {
    let document = read(env).await;
    let before = KEPT.with_borrow(Clone::clone);
    let history = price_history(env.unchecked_ref());
    let mut next = before.after(document, history.as_ref()).await;
    (next.read_at, next.reading) = (Date::now().as_millis(), false);
    KEPT.with_borrow_mut(|kept| *kept = next);
}

impl Kept {
    async fn after(self, document: Result<Option<String>, Unreadable>, history: Option<&JsValue>) -> Self {
        match document {
            Ok(Some(text)) => self.after_document(&text, history).await,
            Ok(None) if self.snapshot.version().is_some() => self.with(|snapshot| snapshot.after_reading(None)),
            Ok(None) => match recall(history).await {
                Ok(told) if told.current.is_some() => self.recalled(&told, vec![Diagnosis::new("", VANISHED)]),
                Ok(_) => self.with(|snapshot| snapshot.after_reading(None)),
                // There may have been one.
                Err(_) if self.snapshot.table().is_none() => self.with(Snapshot::after_failure),
                Err(_) => self,
            },
            Err(Unreadable) if self.snapshot.table().is_some() => self.with(Snapshot::after_failure),
            Err(Unreadable) => {
                Host.fault("prices: KV cannot be read");
                let problems = self.snapshot.after_failure().problems().to_vec();
                let told = recall(history).await.unwrap_or_default();
                self.recalled(&told, problems)
            }
        }
    }

    async fn after_document(mut self, text: &str, history: Option<&JsValue>) -> Self {
        let hash = hash_of(text);
        if let Some((newest, problems)) = &self.newest
            && *newest == hash
            && (self.agreed || !problems.is_empty())
            && self.snapshot.table().is_some()
        {
            let snapshot = self.snapshot.with_problems(problems.clone());
            return Self { snapshot, ..self };
        }
        let next = self.snapshot.after_edit_of(text, &hash, Host.now());
        let problems = next.problems().to_vec();
        self.newest = Some((hash.clone(), problems.clone()));
        if !problems.is_empty() {
            Host.fault("prices: the document in KV has problems; the last good one stays in force");
            problems.iter().take(MAX_LOGGED).for_each(|problem| Host.fault(&format!("prices: {problem}")));
            if next.table().is_some() {
                return Self { snapshot: next, ..self };
            }
            let told = recall(history).await.unwrap_or_default();
            return self.recalled(&told, problems);
        }
        let before = self.good.replace(hash.clone());
        let Some(history) = history else { return Self { snapshot: next, agreed: true, ..self } };
        let ask = Ask { seen: Some(hash), before, text: None, wants_previous: self.snapshot.version().is_none() };
        let mut told = tell(history, &ask).await;
        if told.as_ref().is_ok_and(|told| told.seen.is_none()) {
            told = tell(history, &Ask { text: Some(text.to_owned()), ..ask }).await;
        }
        match told {
            // KV's word counts here as in every isolate that runs in this place already. Whoever was quoted the newer
            // prices elsewhere may pay them. Asked again at the next reading.
            Ok(Told { seen: Some(Seen::Lagging), current: Some(newer), .. }) => {
                Self { snapshot: next.with_previous(&newer, Host.now()), agreed: false, ..self }
            }
            Ok(told) => Self { snapshot: with_previous(next, &told), agreed: true, ..self },
            // Asked again at the next reading.
            Err(_) => Self { snapshot: next, agreed: false, ..self },
        }
    }

    /// The document that the history holds to be in force, if any.
    fn recalled(self, told: &Told, problems: Vec<Diagnosis>) -> Self {
        let snapshot = match &told.current {
            Some(text) => with_previous(self.snapshot.after_edit(text, Host.now()), told),
            None => self.snapshot.clone(),
        };
        Self { snapshot: snapshot.with_problems(problems), ..self }
    }

    fn with(self, change: impl FnOnce(&Snapshot) -> Snapshot) -> Self {
        Self { snapshot: change(&self.snapshot), ..self }
    }
}

fn with_previous(snapshot: Snapshot, told: &Told) -> Snapshot {
    match &told.previous {
        Some((text, at)) => snapshot.with_previous(text, UnixTime(*at)),
        None => snapshot,
    }
}

/// What the history holds to be in force. Without a history there was nothing.
async fn recall(history: Option<&JsValue>) -> Result<Told, NoAnswer> {
    match history {
        Some(history) => tell(history, &Ask { seen: None, before: None, text: None, wants_previous: true }).await,
        None => Ok(Told::default()),
    }
}

async fn tell(history: &JsValue, ask: &Ask) -> Result<Told, NoAnswer> {
    let told = call(history, HISTORY, ask, ASK_WITHIN).await;
    if told.is_err() {
        Host.fault("prices: the history cannot be reached");
    }
    told
}

struct Unreadable;

async fn read(env: &Env) -> Result<Option<String>, Unreadable> {
    let kv = env.kv(bindings::PRICES).map_err(|_| Unreadable)?;
    match select(pin!(kv.get(KEY).text()), pin!(Delay::from(Duration::from_millis(READ_WITHIN_MILLIS)))).await {
        Either::Left((Ok(document), _)) => Ok(document),
        Either::Left((Err(_), _)) | Either::Right(_) => Err(Unreadable),
    }
}
