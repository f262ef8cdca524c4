//! Channels that were charged here lately. For the next voucher of such a channel, over as much at most, the origin may
//! work before the channel's object has said yes. Kept by each isolate.

use std::{cell::RefCell, collections::BTreeMap};

use crate::{channels::Receipt, evm::Uint256, time::UnixTime};

/// A charge is remembered for so long; the chain has to be asked again about as often.
const KEPT_SECONDS: u64 = 300;

/// Channels that are remembered at most; with more, all are forgotten.
const MAX_CHANNELS: usize = 1000;

/// A request that was begun and never presented is given up after this.
const BEGUN_SECONDS: u64 = 10;

/// By the channel's object, what is known of it here.
#[derive(Debug, Default)]
pub struct ChargedChannels(RefCell<BTreeMap<String, (Known, UnixTime)>>);

/// What is known until a time.
#[derive(Debug)]
enum Known {
    /// What it said with the last charge.
    Charged(Receipt),
    /// The origin works for this voucher and request, and the channel has not been told yet.
    Begun(Uint256, String),
}

/// What comes first for a voucher.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum First {
    /// The channel.
    Channel,
    /// The origin: [`ChargedChannels::presented`] has to follow.
    Origin,
    /// Nothing: the origin has begun to work for this very request.
    Begun,
    /// Nothing: it has for another one of the channel.
    Busy,
}

impl ChargedChannels {
    /// A voucher of this channel was charged.
    pub(super) fn keep(&self, object: &str, receipt: &Receipt, now: UnixTime) {
        self.know(object, Known::Charged(receipt.clone()), now.plus(KEPT_SECONDS), now);
    }

    /// What comes first for a voucher over `max` and this request. Where it is `plain` and the next one, good as far as is
    /// known here, the origin: once for each charge, and for a price that is not above it, so that who makes the origin work
    /// for nothing has paid as much before. Whatever comes, the charge is forgotten with it.
    pub(super) fn first(
        &self,
        object: &str,
        (max, price, request): (Uint256, Uint256, &str),
        plain: bool,
        now: UnixTime,
    ) -> First {
        let known = self.0.borrow_mut().remove(object).filter(|(_, until)| now < *until);
        match known {
            None => First::Channel,
            Some((Known::Begun(begun, by), until)) => {
                let is_it = begun == max && by == request;
                self.know(object, Known::Begun(begun, by), until, now);
                if is_it { First::Begun } else { First::Busy }
            }
            Some((Known::Charged(Receipt { charged, state, .. }), _)) => {
                let next = state.charged_cumulative_amount.checked_add(price);
                let is_next = next == Some(max) && max <= state.balance && state.withdraw_requested_at == 0;
                if !(plain && is_next && price <= charged) {
                    return First::Channel;
                }
                self.know(object, Known::Begun(max, request.to_owned()), now.plus(BEGUN_SECONDS), now);
                First::Origin
            }
        }
    }

    /// The channel has been told of what was begun.
    pub(super) fn presented(&self, object: &str) {
        self.0.borrow_mut().remove(object);
    }

    fn know(&self, object: &str, known: Known, until: UnixTime, now: UnixTime) {
        let mut channels = self.0.borrow_mut();
        if channels.len() >= MAX_CHANNELS {
            channels.retain(|_, (_, until)| now < *until);
        }
        if channels.len() >= MAX_CHANNELS {
            channels.clear();
        }
        channels.insert(object.to_owned(), (known, until));
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
        let first = |max: u64, plain, now| channels.first("a", (max.into(), 10.into(), "r"), plain, now);
        assert_eq!(first(10, true, NOW), First::Channel, "nothing was charged");
        kept(50, 0);
        assert_eq!(channels.first("b", (60.into(), 10.into(), "r"), true, NOW), First::Channel);
        assert_eq!(first(60, true, NOW), First::Origin);
        assert_eq!((first(60, true, NOW), first(70, true, NOW)), (First::Begun, First::Busy));
        assert_eq!(channels.first("a", (60.into(), 10.into(), "other"), false, NOW), First::Busy);
        channels.presented("a");
        assert_eq!(first(60, true, NOW), First::Channel, "once");
        for (in_all, withdrawn, max, plain, now) in [
            (50, 0, 50, true, NOW),
            (50, 0, 70, true, NOW),
            (95, 0, 105, true, NOW),
            (50, 1, 60, true, NOW),
            (50, 0, 60, false, NOW),
            (50, 0, 60, true, UnixTime(1300)),
        ] {
            kept(in_all, withdrawn);
            assert_eq!(first(max, plain, now), First::Channel, "{in_all} {withdrawn} {max} {plain} {now:?}");
            assert_eq!(first(60, true, NOW), First::Channel, "it is forgotten");
        }
        channels.keep("a", &receipt(9, 50, 0), NOW);
        assert_eq!(first(60, true, NOW), First::Channel, "it costs more than what was charged");
        kept(50, 0);
        assert_eq!((first(60, true, NOW), first(60, true, NOW.plus(10))), (First::Origin, First::Channel), "given up");
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
