//! Channels that were charged here lately. The next voucher of such a channel may have the origin work before the
//! channel's object has said yes. Kept by each isolate.

use std::{cell::RefCell, collections::BTreeMap};

use crate::{channels::ChannelState, evm::Uint256, time::UnixTime};

/// A charge is remembered for so long; the chain has to be asked again about as often.
const KEPT_SECONDS: u64 = 300;

/// Channels that are remembered at most; with more, all are forgotten.
const MAX_CHANNELS: usize = 1000;

/// By the channel's object, what it said with the last charge, and until when that counts.
#[derive(Debug, Default)]
pub struct ChargedChannels(RefCell<BTreeMap<String, (ChannelState, u64)>>);

impl ChargedChannels {
    /// A voucher of this channel was charged.
    pub(super) fn keep(&self, object: &str, state: &ChannelState, now: UnixTime) {
        let mut channels = self.0.borrow_mut();
        if channels.len() >= MAX_CHANNELS {
            channels.clear();
        }
        channels.insert(object.to_owned(), (state.clone(), now.plus(KEPT_SECONDS).0));
    }

    /// Whether a voucher over `max` is the next one, and good as far as is known here. What is remembered is forgotten
    /// with it, so that it is true once for each charge: who makes the origin work for nothing has paid as often before.
    pub(super) fn take(&self, object: &str, max: Uint256, price: Uint256, now: UnixTime) -> bool {
        self.0.borrow_mut().remove(object).is_some_and(|(state, until)| {
            let next = state.charged_cumulative_amount.checked_add(price);
            now.0 < until && next == Some(max) && max <= state.balance && state.withdraw_requested_at == 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1000);

    fn state(charged: u64, withdraw_requested_at: u64) -> ChannelState {
        ChannelState {
            channel_id: String::new(),
            balance: 100.into(),
            total_claimed: Uint256::ZERO,
            withdraw_requested_at,
            refund_nonce: Uint256::ZERO,
            charged_cumulative_amount: charged.into(),
        }
    }

    #[test]
    fn a_charge_speaks_once_for_the_next_voucher_and_for_no_other() {
        let channels = ChargedChannels::default();
        let kept = |charged, withdrawn| channels.keep("a", &state(charged, withdrawn), NOW);
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
    }

    #[test]
    fn it_is_bounded() {
        let channels = ChargedChannels::default();
        for number in 0..2 * MAX_CHANNELS {
            channels.keep(&number.to_string(), &state(0, 0), NOW);
            assert!(channels.0.borrow().len() <= MAX_CHANNELS);
        }
    }
}
