//! What a channel says of a payment that is presented to it.

use crate::{
    evm::{Hash32, Uint256},
    schemes::batch_settlement::{Channel, ChannelFlaw},
    time::UnixTime,
};

use super::{
    Account, Asked, Owed, Presentation, Reply, Serving, VoucherState,
    rules::{DELIVERING_SECONDS, SERVING_SECONDS},
};

/// A copy is worth sending again after this.
pub const RETRY_AFTER_SECONDS: u32 = 2;
/// The same charge buys its content again so often, where it never arrived whole.
const MAX_GIVEN_AGAIN: u32 = 10;

/// Presents a payment: what is to be done with it.
pub(super) fn present(
    known: Option<Account>,
    id: &Hash32,
    new: Presentation,
    now: UnixTime,
) -> (Option<Account>, Reply) {
    let Some(mut account) = known else {
        return if new.known_only || new.known_channel_only { (None, Reply::NotKnown) } else { open(id, new, now) };
    };
    if !new.proven && new.seen.is_none() {
        // Anybody may have written it: nothing is told of the channel.
        let reply = unseen(Some(&account), &new);
        return (Some(account), reply);
    }
    if let Some(left) = account.serving.take_if(|serving| serving.lease_until <= now.0)
        && left.settling
    {
        // Whoever served it may have changed the chain.
        account.doubt();
    }
    if let Some(seen) = &new.seen {
        if account.serving.is_none() {
            account.recover(seen, charged_before(&new));
        }
        if !account.see(seen) {
            let reply = unseen(Some(&account), &new);
            return (Some(account), reply);
        }
    }
    if let Some(reply) = recalled(&mut account, &new, now) {
        return (Some(account), reply);
    }
    if new.known_only {
        return (Some(account), Reply::NotKnown);
    }
    account.means = account.means.or_newer(&new.means);
    let reply = match admitted(&account, &new, now) {
        Ok(true) => serve(&mut account, new, now),
        Ok(false) => unseen(Some(&account), &new),
        Err(ChannelFlaw::CumulativeAmountMismatch) if account.owed.iter().any(|owed| owed.max == new.max) => {
            Reply::Elsewhere
        }
        Err(flaw) => refused(flaw, &account),
    };
    (Some(account), reply)
}

/// What its payer takes for charged before it.
fn charged_before(new: &Presentation) -> Uint256 {
    new.max.checked_sub(new.price).unwrap_or(Uint256::ZERO)
}

/// What is known of this very voucher for this very request, or of another that is being served.
fn recalled(account: &mut Account, new: &Presentation, now: UnixTime) -> Option<Reply> {
    let hold = account.hold.saturating_add(1);
    let is_refund = matches!(new.asked, Asked::Refund { .. });
    let is_it = |owed: &Owed| !is_refund && owed.max == new.max && owed.request == new.request;
    account.owed.retain(|owed| !is_it(owed) || owed.lease_until > now.0 || owed.given_again < MAX_GIVEN_AGAIN);
    if let Some(owed) = account.owed.iter_mut().find(|owed| is_it(owed)) {
        if owed.lease_until > now.0 {
            return Some(Reply::Busy { retry_after: RETRY_AFTER_SECONDS });
        }
        // The same document asks for more: by another rule, the same URL is sold dearer.
        if new.price > owed.price && !new.quoted.is_empty() && new.quoted == owed.quoted {
            return Some(Reply::Elsewhere);
        }
        owed.given_again += 1;
        owed.hold = hold;
        owed.lease_until = now.0 + DELIVERING_SECONDS;
        let (receipt, since) = (Box::new(owed.receipt.clone()), owed.since);
        account.hold = hold;
        return Some(Reply::Owed { hold, receipt, since });
    }
    let serving = account.serving.as_ref()?;
    Some(if serving.max == new.max && serving.request == new.request && serving.asked == new.asked {
        Reply::Busy { retry_after: RETRY_AFTER_SECONDS }
    } else {
        refused(ChannelFlaw::ChannelBusy, account)
    })
}

/// Whether the channel, as it is known, lets this be served; false where the chain has to be asked first.
fn admitted(account: &Account, new: &Presentation, now: UnixTime) -> Result<bool, ChannelFlaw> {
    let (channel, told) = (&account.channel, new.seen.is_some());
    if let Err(flaw) = channel.continues_with(new.max, new.price) {
        // Who has signed for more may have been served by a Worker that we know nothing of.
        let may_recover = charged_before(new) > channel.charged_cumulative_amount && !told && !channel.is_fresh(now);
        return if may_recover { Ok(false) } else { Err(flaw) };
    }
    match &new.asked {
        Asked::Voucher if !(told || new.proven && channel.is_fresh(now)) => return Ok(false),
        Asked::Deposit { .. } | Asked::Refund { .. } if !told => return Ok(false),
        Asked::Voucher => Channel { balance: account.firm_balance(), ..channel.clone() }.covers(new.max)?,
        Asked::Deposit { amount, .. } => {
            let balance = account.firm_balance().checked_add(*amount).filter(|balance| balance.fits_in_128_bits());
            Channel { balance: balance.ok_or(ChannelFlaw::CumulativeExceedsBalance)?, ..channel.clone() }
                .covers(new.max)?;
        }
        Asked::Refund { amount } => return refundable(channel, new.max, *amount).map(|()| true),
    }
    if account.takes_vouchers_until().is_some_and(|until| now.0 >= until) {
        return Err(ChannelFlaw::CumulativeExceedsBalance);
    }
    Ok(true)
}

fn refundable(channel: &Channel, max: Uint256, amount: Option<Uint256>) -> Result<(), ChannelFlaw> {
    if max < channel.total_claimed {
        return Err(ChannelFlaw::CumulativeBelowClaimed);
    }
    if channel.balance <= max {
        return Err(ChannelFlaw::RefundNoBalance);
    }
    match amount {
        Some(Uint256::ZERO) => Err(ChannelFlaw::RefundAmountInvalid),
        _ => Ok(()),
    }
}

fn unseen(account: Option<&Account>, new: &Presentation) -> Reply {
    let deposit_begun = match (&new.asked, account.and_then(|account| account.deposit.as_ref())) {
        (Asked::Deposit { digest, .. }, Some(begun)) => digest == begun,
        _ => false,
    };
    Reply::Unseen { deposit_begun }
}

pub(super) fn refused(flaw: ChannelFlaw, account: &Account) -> Reply {
    let tells = matches!(flaw, ChannelFlaw::CumulativeAmountMismatch | ChannelFlaw::CumulativeBelowClaimed);
    let voucher = || VoucherState {
        signed_max_claimable: account.channel.signed_max_claimable,
        signature: account.channel.signature.clone(),
    };
    // A voucher over less says nothing of what was charged: clients go by the chain then.
    let channel = &account.channel;
    let has_voucher =
        !channel.signature.is_empty() && channel.charged_cumulative_amount <= channel.signed_max_claimable;
    Reply::Refused { flaw, known: tells.then(|| Box::new((account.state(), has_voucher.then(voucher)))) }
}

fn serve(account: &mut Account, new: Presentation, now: UnixTime) -> Reply {
    account.hold = account.hold.saturating_add(1);
    account.channel.last_request_timestamp = now.0.saturating_mul(1000);
    let mut again = false;
    if let Asked::Deposit { digest, .. } = &new.asked {
        again = account.deposit.replace(digest.clone()).is_some_and(|begun| begun == *digest);
    }
    let Presentation { max, signature, request, asked, .. } = new;
    let lease_until = now.0 + SERVING_SECONDS;
    account.serving =
        Some(Serving { hold: account.hold, max, signature, request, asked, settling: false, again, lease_until });
    Reply::Held { hold: account.hold, state: account.state() }
}

/// A channel that nothing is known of: the chain says what it holds, and the voucher what was charged before.
fn open(id: &Hash32, new: Presentation, now: UnixTime) -> (Option<Account>, Reply) {
    let Some(seen) = new.seen.as_ref().filter(|seen| !seen.is_nonsense()) else { return (None, unseen(None, &new)) };
    if seen.balance == Uint256::ZERO && !matches!(new.asked, Asked::Deposit { .. }) {
        return (None, Reply::Refused { flaw: ChannelFlaw::ChannelNotFound, known: None });
    }
    // The specification's rule for a server that has lost its memory; never less than was claimed.
    let charged = charged_before(&new).max(seen.total_claimed);
    let mut account = Account {
        channel: Channel {
            channel_id: *id,
            channel_config: new.config.clone(),
            charged_cumulative_amount: charged,
            signed_max_claimable: Uint256::ZERO,
            signature: String::new(),
            balance: seen.balance,
            total_claimed: seen.total_claimed,
            withdraw_requested_at: seen.withdraw_requested_at,
            refund_nonce: seen.refund_nonce,
            onchain_synced_at: seen.at.saturating_mul(1000),
            last_request_timestamp: now.0.saturating_mul(1000),
            pending_request: None,
        },
        serving: None,
        owed: Vec::new(),
        hold: 0,
        requests: 0,
        deposit: None,
        credited: Uint256::ZERO,
        unconfirmed: false,
        unclaimed_since: 0,
        short_since: 0,
        told_at: 0,
        tell_after: 0,
        told_urgent: false,
        means: new.means.clone(),
        opened_at: now.0,
        looked_at: 0,
        known_at: seen.at,
        odd: None,
        refund: None,
    };
    match admitted(&account, &new, now) {
        Ok(_) => {
            let reply = serve(&mut account, new, now);
            (Some(account), reply)
        }
        // Nothing is kept of it: not even what was asked.
        Err(flaw) => (None, refused(flaw, &account)),
    }
}
