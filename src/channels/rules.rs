//! The rules: what a command does to a channel.
//!
//! 1. Never is more charged than the payer has signed for, nor a voucher's charge more than its request's price.
//! 2. One request at a time is served; only its holder charges.
//! 3. What was charged is owed until it is delivered: its voucher, for its request, is never charged again.
//! 4. What is charged and not claimed is not forgotten, nor given up for what is said of the chain.
//! 5. Nothing is kept of a channel before the chain, or a facilitator, has shown it.

use crate::{
    evm::{Hash32, Uint256},
    schemes::batch_settlement::ChannelFlaw,
    time::UnixTime,
};

use super::{
    Account, Asked, Command, Owed, Receipt, Reply, Seen, Served, Serving, SignedRefund,
    present::{present, refused},
};

/// The origin has 60 s to begin its answer to a paid request.
pub(super) const SERVING_SECONDS: u64 = 70;
/// A deposit or a refund: a facilitator has 45 s, and the same again where it says that it is under way.
const SETTLING_SECONDS: u64 = 100;
/// An answer on its way to a client; while it is, the lease is renewed.
pub(super) const DELIVERING_SECONDS: u64 = 60;
/// Charges whose answers have not arrived that are kept for one channel. Beyond, the oldest is forgotten.
const MAX_OWED: usize = 32;

/// Applies a command to what is known of a channel; returns what is known then, and what is to be done. `id` is the
/// channel's.
pub fn apply(known: Option<Account>, id: &Hash32, command: Command, now: UnixTime) -> (Option<Account>, Reply) {
    match (known, command) {
        (known, Command::Present(presentation)) => present(known, id, *presentation, now),
        (None, _) => (None, Reply::Stale),
        (Some(account), Command::Charge { hold, served, amount, deposited, ended }) => {
            charge(account, (hold, *served), (amount, ended), deposited, now)
        }
        (Some(account), Command::Settling { hold, served, asked, refund }) => {
            settling(account, (hold, *served), (asked, refund), now)
        }
        (Some(account), Command::Release { hold, touched }) => release(account, hold, touched),
        (Some(account), Command::Refunded { hold, seen, .. }) => refunded(account, hold, &seen, now),
        // What is charged shows when the answer has ended: the origin is still at work.
        (Some(mut account), Command::Delivering { hold })
            if account.serving.as_ref().is_some_and(|serving| serving.hold == hold) =>
        {
            if let Some(serving) = &mut account.serving {
                serving.lease_until = now.0 + SERVING_SECONDS;
            }
            (Some(account), Reply::Done)
        }
        (Some(account), Command::Delivering { hold }) => deliver(account, hold, |owed| {
            owed.lease_until = now.0 + DELIVERING_SECONDS;
            true
        }),
        (Some(account), Command::Delivered { hold, whole }) => deliver(account, hold, |owed| {
            owed.lease_until = now.0;
            !whole
        }),
        (Some(mut account), Command::Claimed { total, short }) => {
            // What was charged while it was being claimed is as old as the claim.
            if account.told_at > 0 {
                account.unclaimed_since = account.unclaimed_since.max(account.told_at);
            }
            (account.told_at, account.told_urgent) = (0, false);
            account.credit(total, now);
            if let Some(holds) = short {
                account.fall_short(holds, now);
            }
            (Some(account), Reply::Done)
        }
        (Some(mut account), Command::Look(seen)) => {
            account.see(&seen);
            (Some(account), Reply::Done)
        }
    }
}

/// Money is about to move. A hold that was lost meanwhile is taken again, if the voucher is still the next one.
fn settling(
    mut account: Account,
    (hold, served): (u32, Served),
    (asked, refund): (Asked, Option<SignedRefund>),
    now: UnixTime,
) -> (Option<Account>, Reply) {
    let Served { max, signature, price, request, .. } = served;
    let is_ours = match &account.serving {
        Some(serving) => serving.hold == hold && serving.max == max && serving.request == request,
        None => account.channel.continues_with(max, price).is_ok(),
    };
    if !is_ours {
        return (Some(account), Reply::Stale);
    }
    account.hold = account.hold.max(hold);
    let mut again = account.serving.as_ref().is_some_and(|serving| serving.again);
    if let Asked::Deposit { digest, .. } = &asked {
        let begun = account.deposit.replace(digest.clone()).is_some_and(|begun| begun == *digest);
        // A hold that was lost does not say whether it was brought.
        again |= account.serving.is_none() && begun;
    }
    if let Some(refund) = refund {
        // Of several for the same count of the chain's any may be brought, but only one.
        let other = account.refund.take().filter(|other| other.nonce == refund.nonce && other.amount > refund.amount);
        account.refund = Some(other.unwrap_or(refund));
    }
    let lease_until = now.0 + SETTLING_SECONDS;
    account.serving = Some(Serving { hold, max, signature, request, asked, settling: true, again, lease_until });
    (Some(account), Reply::Done)
}

fn charge(
    mut account: Account,
    (hold, served): (u32, Served),
    (amount, ended): (Uint256, bool),
    deposited: Option<(String, Option<Seen>)>,
    now: UnixTime,
) -> (Option<Account>, Reply) {
    let is_it =
        |serving: &mut Serving| serving.hold == hold && serving.max == served.max && serving.request == served.request;
    let (price, quoted) = (served.price, served.quoted.clone());
    let serving = match account.serving.take_if(is_it) {
        Some(serving) => serving,
        // A hold on a voucher is kept in memory only. Where it is lost and nobody else has the channel, the voucher
        // itself says whether it is still the next one.
        None if account.serving.is_none()
            && deposited.is_none()
            && account.owed.iter().all(|owed| owed.hold != hold)
            && account.channel.continues_with(served.max, served.price).is_ok() =>
        {
            account.hold = account.hold.max(hold);
            let Served { max, signature, request, .. } = served;
            Serving {
                hold,
                max,
                signature,
                request,
                asked: Asked::Voucher,
                settling: false,
                again: false,
                lease_until: now.0,
            }
        }
        None => return (Some(account), Reply::Stale),
    };
    let is_deposit = matches!(serving.asked, Asked::Deposit { .. });
    if matches!(serving.asked, Asked::Refund { .. }) || is_deposit != deposited.is_some() {
        account.doubt();
        return (Some(account), Reply::Stale);
    }
    let charged = account.channel.charged_cumulative_amount.checked_add(amount);
    let Some(charged) = charged.filter(|charged| *charged <= serving.max) else {
        if is_deposit {
            account.doubt();
        }
        let reply = refused(ChannelFlaw::ChargeExceedsSigned, &account);
        return (Some(account), reply);
    };
    let (transaction, arrived) = match deposited {
        Some((transaction, seen)) => {
            match seen {
                Some(seen) => {
                    account.see(&seen);
                }
                None => account.doubt(),
            }
            account.deposit = None;
            (transaction, true)
        }
        None => (String::new(), false),
    };
    account.requests = account.requests.saturating_add(1);
    let channel = &mut account.channel;
    channel.charged_cumulative_amount = charged;
    channel.signed_max_claimable = serving.max;
    channel.signature = serving.signature;
    channel.last_request_timestamp = now.0.saturating_mul(1000);
    if account.unclaimed_since == 0 && account.is_claimable() {
        account.unclaimed_since = now.0;
    }
    let deposited = match serving.asked {
        Asked::Deposit { amount, .. } if arrived => Some(amount),
        _ => None,
    };
    let receipt = Receipt { charged: amount, state: account.state(), transaction, deposited };
    // What cost nothing is not owed: the same voucher is good for another request. Nor is an answer that has ended.
    if amount > Uint256::ZERO && !ended {
        if account.owed.len() >= MAX_OWED {
            account.owed.remove(0);
        }
        account.owed.push(Owed {
            hold,
            max: serving.max,
            request: serving.request,
            price,
            quoted,
            receipt: receipt.clone(),
            since: now.0,
            lease_until: now.0 + DELIVERING_SECONDS,
            given_again: 0,
        });
    }
    (Some(account), Reply::Charged(Box::new(receipt)))
}

fn release(mut account: Account, hold: u32, touched: bool) -> (Option<Account>, Reply) {
    let Some(serving) = account.serving.take_if(|serving| serving.hold == hold) else {
        return (Some(account), Reply::Stale);
    };
    if touched || serving.again {
        account.doubt();
        let reply = if touched { Reply::Done } else { Reply::Unseen { deposit_begun: true } };
        return (Some(account), reply);
    }
    if matches!(serving.asked, Asked::Deposit { .. }) {
        account.deposit = None;
    }
    // Nothing was ever charged here that we know of, nor brought to the chain: as if it had never come.
    let is_new = account.requests == 0 && account.deposit.is_none();
    ((!is_new).then_some(account), Reply::Done)
}

fn refunded(mut account: Account, hold: u32, seen: &Seen, now: UnixTime) -> (Option<Account>, Reply) {
    if account.serving.take_if(|serving| serving.hold == hold).is_none() {
        return (Some(account), Reply::Stale);
    }
    if account.see(seen) {
        account.credit(seen.total_claimed, now);
    }
    let channel = &account.channel;
    let is_empty = channel.balance <= channel.charged_cumulative_amount;
    if is_empty && account.claimable() == Uint256::ZERO && account.owed.is_empty() {
        return (None, Reply::Done);
    }
    (Some(account), Reply::Done)
}

/// A step of whoever delivers; what `keep` says no to is not owed any more.
fn deliver(mut account: Account, hold: u32, keep: impl FnOnce(&mut Owed) -> bool) -> (Option<Account>, Reply) {
    let Some(index) = account.owed.iter().position(|owed| owed.hold == hold) else {
        return (Some(account), Reply::Stale);
    };
    if account.owed.get_mut(index).is_some_and(|owed| !keep(owed)) {
        account.owed.remove(index);
    }
    (Some(account), Reply::Done)
}
