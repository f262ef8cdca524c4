//! Channels that were charged here lately. For the next voucher of such a channel, over as much at most, the origin may
//! work before the channel's object has said yes. Kept by each isolate.

use std::{cell::RefCell, collections::BTreeMap};

use crate::{channels::Receipt, evm::Uint256, time::UnixTime};

/// A charge is remembered for so long; the chain has to be asked again about as often.
const KEPT_SECONDS: u64 = 300;

/// Channels that are remembered at most; with more, all are forgotten.
const MAX_CHANNELS: usize = 1000;

/// By the channel's object, what it said with the last charge.
#[derive(Debug, Default)]
pub struct ChargedChannels(RefCell<BTreeMap<String, Charge>>);

#[derive(Debug)]
struct Charge {
    receipt: Receipt,
    /// Until then it counts; Unix seconds.
    until: u64,
}

impl ChargedChannels {
    /// A voucher of this channel was charged.
    pub(super) fn keep(&self, object: &str, receipt: &Receipt, now: UnixTime) {
        let mut channels = self.0.borrow_mut();
        if channels.len() >= MAX_CHANNELS {
            channels.retain(|_, charge| now.0 < charge.until);
        }
        if channels.len() >= MAX_CHANNELS {
            channels.clear();
        }
        channels.insert(object.to_owned(), Charge { receipt: receipt.clone(), until: now.plus(KEPT_SECONDS).0 });
    }

    /// Whether a voucher over `max` is the next one, and good as far as is known here. What is remembered is forgotten
    /// with it, so that it is true once for each charge, and for a price that is not above it: who makes the origin work
    /// for nothing has paid as much before.
    pub(super) fn take(&self, object: &str, max: Uint256, price: Uint256, now: UnixTime) -> bool {
        self.0.borrow_mut().remove(object).is_some_and(|Charge { receipt: Receipt { charged, state, .. }, until }| {
            let next = state.charged_cumulative_amount.checked_add(price);
            let is_next = next == Some(max) && max <= state.balance && state.withdraw_requested_at == 0;
            is_next && price <= charged && now.0 < until
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::ChannelState;

    const NOW: UnixTime = UnixTime(1000);

    fn receipt(charged: u64, in_all: u64, withdraw_requested_at: u64) -> Receipt {
        let state = ChannelState {
            channel_id: String::new(),
            balance: 100.into(),
            total_claimed: Uint256::ZERO,
            withdraw_requested_at,
            refund_nonce: Uint256::ZERO,
            charged_cumulative_amount: in_all.into(),
        };
        Receipt { charged: charged.into(), state, transaction: String::new(), deposited: None }
    }

    #[test]
    fn a_charge_speaks_once_for_the_next_voucher_and_for_no_other() {
        let channels = ChargedChannels::default();
        let kept = |in_all, withdrawn| channels.keep("a", &receipt(10, in_all, withdrawn), NOW);
        let take = |max: u64, now| channels.take("a", max.into(), 10.into(), now);
        assert!(!take(10, NOW), "nothing was charged");
        kept(50, 0);
        assert!(!channels.take("b", 60.into(), 10.into(), NOW) && take(60, NOW) && !take(60, NOW), "once");
        for (charged, withdrawn, max, now) in
            [(50, 0, 50, NOW), (50, 0, 70, NOW), (95, 0, 105, NOW), (50, 1, 60, NOW), (50, 0, 60, UnixTime(1300))]
        {
            kept(charged, withdrawn);
            assert!(!take(max, now), "{charged} {withdrawn} {max} {now:?}");
        }
        channels.keep("a", &receipt(9, 50, 0), NOW);
        assert!(!take(60, NOW), "it costs more than what was charged");
    }

    #[test]
    fn it_is_bounded() {
        let channels = ChargedChannels::default();
        for number in 0..2 * MAX_CHANNELS {
            channels.keep(&number.to_string(), &receipt(0, 0, 0), NOW);
            assert!(channels.0.borrow().len() <= MAX_CHANNELS);
        }
    }
}
