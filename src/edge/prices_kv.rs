//! The price document in KV, kept for a few seconds by each isolate.

use std::{cell::RefCell, pin::pin, time::Duration};

use futures_util::future::{Either, select};
use worker::{Date, Delay, Env};

use super::bindings;
use crate::prices::Snapshot;

/// The document's key.
const KEY: &str = "prices";

/// How long an isolate uses what it read, on top of KV's own delay.
const KEEP_MILLIS: u64 = 10_000;

/// KV answers in milliseconds; a read that hangs must not hang the site.
const READ_WITHIN_MILLIS: u64 = 3_000;

thread_local! {
    /// Values are kept, never futures: a request must not wait for another one's I/O.
    static KEPT: RefCell<(u64, Snapshot)> = RefCell::new((0, Snapshot::unread()));
}

/// The prices, not older than [`KEEP_MILLIS`]; the last good ones where KV cannot be read.
pub(super) async fn current(env: &Env) -> Snapshot {
    let now = Date::now().as_millis();
    let (read_at, kept) = KEPT.with_borrow(Clone::clone);
    if kept.table().is_some() && now.saturating_sub(read_at) < KEEP_MILLIS {
        return kept;
    }
    // Noted before the wait: requests that come meanwhile use what is kept. Only while KV may still answer,
    // since a request that is cut off here brings nothing.
    KEPT.with_borrow_mut(|(read_at, _)| *read_at = (now + READ_WITHIN_MILLIS).saturating_sub(KEEP_MILLIS));
    let fresh = match read(env).await {
        Ok(document) => kept.after_reading(document.as_deref()),
        Err(Unreadable) => kept.after_failure(),
    };
    KEPT.with_borrow_mut(|kept| *kept = (now, fresh.clone()));
    fresh
}

struct Unreadable;

async fn read(env: &Env) -> Result<Option<String>, Unreadable> {
    let kv = env.kv(bindings::PRICES).map_err(|_| Unreadable)?;
    match select(pin!(kv.get(KEY).text()), pin!(Delay::from(Duration::from_millis(READ_WITHIN_MILLIS)))).await {
        Either::Left((Ok(document), _)) => Ok(document),
        Either::Left((Err(_), _)) | Either::Right(_) => Err(Unreadable),
    }
}
