//! What a channel does without a request: it asks to be claimed, looks at the chain, forgets.

use crate::{evm::Uint256, time::UnixTime};

use super::{Account, Claim, GATHER_SECONDS, Means, Owed};

/// The till claims by itself; should it have lost what it was told, it is told again after this, or a twelfth of the delay.
const TELL_AGAIN_SECONDS: u64 = 600;

/// A till that could not be told is told again after this.
const TELL_RETRY_SECONDS: u64 = 10;

/// What a channel does not hold is asked for again at least so often.
const TELL_SHORT_AGAIN_SECONDS: u64 = 24 * 3600;

/// Content that was charged and not delivered is owed so long.
const OWED_SECONDS: u64 = 24 * 3600;

/// A channel in which all is claimed is remembered so long after its last request.
const KEEP_SECONDS: u64 = 30 * 24 * 3600;

/// And one in which nothing was ever charged.
const KEEP_UNUSED_SECONDS: u64 = 24 * 3600;

/// What is to be done for a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Due {
    /// Bring this to the till; where it has taken it, [`told`].
    pub claim: Option<Claim>,
    /// Ask the chain.
    pub look: bool,
}

/// When the channel needs its object's alarm.
pub fn wake(account: &Account) -> u64 {
    let owed = account.owed.iter().map(owed_until);
    let due = [claim_at(account), look_at(account), forget_at(account)].into_iter().flatten();
    owed.chain(due).min().unwrap_or(u64::MAX)
}

/// What is to be done now; nothing is left of a channel that may be forgotten.
pub fn on_alarm(mut account: Account, now: UnixTime) -> (Option<Account>, Due) {
    account.owed.retain(|owed| owed_until(owed) > now.0);
    if forget_at(&account).is_some_and(|at| at <= now.0) {
        return (None, Due::default());
    }
    let mut due = Due::default();
    if claim_at(&account).is_some_and(|at| at <= now.0) {
        due.claim = Some(Claim::of(&account, account.takes_vouchers_until().is_some()));
        account.tell_after = now.plus(TELL_RETRY_SECONDS).0;
    }
    if look_at(&account).is_some_and(|at| at <= now.0) {
        due.look = true;
        account.looked_at = now.0;
    }
    (Some(account), due)
}

/// The till has taken a claim that was due at `at`, and says whom it asks.
#[must_use]
pub fn told(mut account: Account, claim: &Claim, means: &Means, at: UnixTime) -> Account {
    account.means = account.means.or_newer(means);
    account.tell_after = 0;
    // It may have claimed it already.
    if account.credited < claim.total {
        (account.told_at, account.told_urgent) = (at.0, claim.urgent);
    }
    account
}

fn owed_until(owed: &Owed) -> u64 {
    owed.since.saturating_add(OWED_SECONDS).max(owed.lease_until)
}

/// When the till is to be told; a while later where it could not be.
fn claim_at(account: &Account) -> Option<u64> {
    account.is_claimable().then(|| claim_due(account).max(account.tell_after))
}

/// When what is charged is to be claimed: at once where enough has come together, or the payer withdraws (but what is
/// charged meanwhile waits a moment for more), else when the channel falls quiet, and never later than a quarter of its
/// delay, so that a third is not exceeded.
fn claim_due(account: &Account) -> u64 {
    let withdrawing = account.takes_vouchers_until();
    if account.told_at > 0 {
        let again = account.told_at.saturating_add(tell_again_after(account));
        return if withdrawing.is_some() && !account.told_urgent { 0 } else { again };
    }
    if let Some(until) = withdrawing {
        return account.unclaimed_since.saturating_add(GATHER_SECONDS).min(until);
    }
    let policy = &account.means.claims;
    let is_enough = policy.threshold.is_some_and(|threshold: Uint256| account.claimable() >= threshold);
    if is_enough {
        return 0;
    }
    let longest = account.config().withdraw_delay / 4;
    let every = account.unclaimed_since.saturating_add(policy.every.map_or(longest, |every| every.min(longest)));
    let idle = (account.channel.last_request_timestamp / 1000).saturating_add(policy.idle);
    every.min(idle)
}

fn tell_again_after(account: &Account) -> u64 {
    let soon = account.config().withdraw_delay / 12;
    match account.short_since {
        0 => TELL_AGAIN_SECONDS.min(soon),
        // It may hold more one day; the longer it has not, the more seldom it is tried.
        since => account.told_at.saturating_sub(since).max(soon).min(TELL_SHORT_AGAIN_SECONDS),
    }
}

/// Whether the payer withdraws, while something is to be claimed; and once after a claim whether it is on chain.
fn look_at(account: &Account) -> Option<u64> {
    if account.means.rpc.is_empty() {
        return None;
    }
    let pause = account.look_seconds();
    let seen = (account.channel.onchain_synced_at / 1000).max(account.looked_at);
    let watched = account.is_claimable() && account.short_since == 0 && account.takes_vouchers_until().is_none();
    let watch = watched.then(|| seen.saturating_add(pause));
    // The longer nobody says, the more seldom.
    let (since, last) = (account.known_at, account.known_at.max(account.looked_at));
    let confirm = account.unconfirmed.then(|| last.saturating_add(pause.max(last - since)));
    watch.into_iter().chain(confirm).min()
}

/// Never while something is to be claimed, owed or served.
fn forget_at(account: &Account) -> Option<u64> {
    if account.is_claimable() || !account.owed.is_empty() {
        return None;
    }
    let is_unused = account.requests == 0 && account.refund.is_none();
    let keep = if is_unused { KEEP_UNUSED_SECONDS } else { KEEP_SECONDS };
    let served_until = account.serving.as_ref().map_or(0, |serving| serving.lease_until);
    Some((account.channel.last_request_timestamp / 1000).max(served_until).saturating_add(keep))
}
