//! What is seen of a channel on chain, and how far it is believed.

use serde::{Deserialize, Serialize};

use crate::{evm::Uint256, time::UnixTime};

use super::Account;

/// How often a channel with something to claim looks whether its payer withdraws, where an RPC is named; or a sixth of
/// its delay. No node of a chain lags behind so long.
pub const LOOK_SECONDS: u64 = 300;

/// What the chain says of a channel, by itself or by a facilitator's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Deposited, less what was given back.
    pub balance: Uint256,
    /// Claimed in all.
    pub total_claimed: Uint256,
    /// When the payer asked for the rest; 0: not.
    pub withdraw_requested_at: u64,
    /// The counter of refunds.
    pub refund_nonce: u64,
    /// When it was asked for; Unix seconds.
    pub at: u64,
}

/// What was said of a channel and cannot be, or contradicts what was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Odd {
    /// No channel holds less than was claimed from it. Not believed.
    #[error("it is said to hold less than was claimed from it; not believed, asked for again")]
    Overdrawn,
    /// More is claimed than was ever charged here. Not believed, see `Account::recover`.
    #[error("more is said to be claimed from it than was charged; not believed, asked for again")]
    NeverCharged,
    /// A claim that was said to be credited is not on chain. Believed: it is claimed again.
    #[error("what was said to be claimed from it is not; claimed again")]
    NotCredited,
}

impl Seen {
    /// No channel holds less than was claimed from it.
    pub(super) fn is_nonsense(&self) -> bool {
        self.total_claimed > self.balance
    }
}

impl Account {
    /// Lets what was charged rise to what the chain says was claimed, if the payer says so too: by its voucher, `charged`
    /// before the request that it is for.
    ///
    /// Nobody can claim more than the payer has signed, and what we sign for is at most what we charged. So more can be
    /// claimed than was charged here only where our record was lost, or another Worker with the same key has served this
    /// channel: vouchers were charged and claimed that we do not have. Then the specification's rule for lost records
    /// holds: what was claimed was charged. The same words can be a facilitator's or a node's error or lie, which must
    /// cost nobody anything. What tells them apart is the payer: it knows what it was charged, and signs for that and the
    /// next request's price. A voucher that begins below what is said to be claimed contradicts it: [`Odd::NeverCharged`].
    ///
    /// Should both be in error nothing is given up either: the voucher that is kept stays, and what was charged by it is
    /// claimed, until a newer one is charged, which allows more. (Where the chain has credited it, that moves nothing.)
    pub(super) fn recover(&mut self, seen: &Seen, charged: Uint256) {
        let channel = &mut self.channel;
        if seen.total_claimed > channel.charged_cumulative_amount
            && seen.total_claimed <= charged
            && !seen.is_nonsense()
        {
            channel.charged_cumulative_amount = seen.total_claimed;
        }
    }

    /// Takes what the chain said, unless something newer is known: by its time, and by what only ever grows. What is odd
    /// in it is noted in [`Self::odd`], until something is seen that is not. False where it cannot be believed.
    pub(super) fn see(&mut self, seen: &Seen) -> bool {
        let (channel, at) = (&self.channel, seen.at.saturating_mul(1000));
        let unbelievable = if seen.is_nonsense() {
            Some(Odd::Overdrawn)
        } else if seen.total_claimed > channel.charged_cumulative_amount {
            Some(Odd::NeverCharged)
        } else {
            None
        };
        if unbelievable.is_some() {
            self.odd = unbelievable;
            self.doubt();
            return false;
        }
        // A node may lag behind what was known before; one that still says so after a while shows that it was false.
        let goes_back = seen.refund_nonce < channel.refund_nonce || seen.total_claimed < channel.total_claimed;
        let may_lag = seen.at < self.known_at.saturating_add(self.look_seconds());
        if at < channel.onchain_synced_at || goes_back && may_lag {
            return true;
        }
        self.odd = (seen.total_claimed < self.credited).then_some(Odd::NotCredited);
        let channel = &mut self.channel;
        channel.balance = seen.balance;
        channel.total_claimed = seen.total_claimed;
        channel.withdraw_requested_at = seen.withdraw_requested_at;
        channel.refund_nonce = seen.refund_nonce;
        channel.onchain_synced_at = at;
        self.known_at = seen.at;
        self.unconfirmed = false;
        self.credited = self.credited.min(seen.total_claimed);
        if self.unclaimed_since == 0 && self.is_claimable() {
            self.unclaimed_since = seen.at;
        }
        if self.short_since > 0 && seen.balance > self.credited {
            // More can be claimed than there was.
            (self.short_since, self.told_at) = (0, 0);
        }
        if self.refund.as_ref().is_some_and(|refund| refund.nonce < seen.refund_nonce) {
            self.refund = None;
        }
        true
    }

    /// Claims of ours have credited so much in all, by the word of those who brought them.
    pub(super) fn credit(&mut self, total: Uint256, now: UnixTime) {
        let total = total.min(self.channel.charged_cumulative_amount);
        if total > self.credited {
            self.credited = total;
            self.unconfirmed = true;
        }
        if total > self.channel.total_claimed {
            self.channel.total_claimed = total;
            self.known_at = now.0;
        }
        self.settle_claims();
    }

    /// The till has found that the channel holds only so much, and has claimed that.
    pub(super) fn fall_short(&mut self, holds: Uint256, now: UnixTime) {
        self.doubt();
        if holds < self.claim_total() && self.is_claimable() {
            self.channel.balance = holds;
            self.short_since = if self.short_since == 0 { now.0 } else { self.short_since };
            (self.told_at, self.told_urgent) = (now.0, self.takes_vouchers_until().is_some());
        }
    }

    /// What the channel holds that no refund can take away.
    pub(super) fn firm_balance(&self) -> Uint256 {
        let away = self.refund.as_ref().map_or(Uint256::ZERO, |refund| refund.amount);
        self.channel.balance.checked_sub(away).unwrap_or(Uint256::ZERO)
    }

    /// Where the payer withdraws: until when vouchers are taken, so that what is charged is claimed before the payer can
    /// take it back; Unix seconds.
    pub(super) fn takes_vouchers_until(&self) -> Option<u64> {
        let requested = self.channel.withdraw_requested_at;
        (requested != 0).then(|| requested.saturating_add(self.config().withdraw_delay / 3 * 2))
    }

    /// The chain may have changed in a way that is not known: it is asked before the next voucher.
    pub(super) const fn doubt(&mut self) {
        self.channel.onchain_synced_at = 0;
    }

    /// Between two looks at the chain.
    pub(super) fn look_seconds(&self) -> u64 {
        LOOK_SECONDS.min(self.config().withdraw_delay / 6)
    }
}
