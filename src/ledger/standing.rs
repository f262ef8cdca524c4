//! What a payer's payments so far say of the next one: whether the origin may be asked before a facilitator is.

use serde::{Deserialize, Serialize};

use crate::time::UnixTime;

/// A payer's standing in one token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether a payment has settled, and none was refused at settling since.
    pub good: bool,
    /// Whether a payment was refused at settling, and none has settled since.
    #[serde(default)]
    pub refused: bool,
    /// Times that the origin was asked for payments which nobody had verified and which have not settled.
    pub unsettled: u32,
    /// When this changed last; Unix seconds.
    pub changed_at: u64,
}

/// What a request would allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// `/verify` first, always: the owner says so, or only a facilitator can judge the signature.
    VerifyFirst,
    /// As the payer stands. `safe`: the method only reads.
    Auto {
        /// Whether the origin may be asked for nothing.
        safe: bool,
    },
    /// No `/verify`: the owner says so.
    Trust,
}

/// Which comes first: `/verify` or the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Plan {
    /// `/verify`, then the origin.
    VerifyFirst,
    /// Both at once; the origin's answer is held back until both agree.
    VerifyBeside,
    /// The origin alone: settling will show.
    Trust,
    /// The same for a payer who never settled, since the owner wants no `/verify`.
    TrustUnknown,
}

/// What is known of a payer who settled is kept so long.
const KEEP_SECONDS: u64 = 30 * 24 * 3600;
/// And of one who never did.
const KEEP_UNPROVEN_SECONDS: u64 = 24 * 3600;

impl Standing {
    /// What comes first for the next payment. Where its answer may leave `ahead` of the money, the owner has said
    /// himself how much that may cost, and the number of runs does not count; otherwise it is `max_unsettled` at most.
    pub const fn plan(&self, wish: Wish, ahead: bool, max_unsettled: u32) -> Plan {
        match wish {
            Wish::VerifyFirst => Plan::VerifyFirst,
            _ if !ahead && self.unsettled >= max_unsettled => Plan::VerifyFirst,
            Wish::Trust | Wish::Auto { .. } if self.good => Plan::Trust,
            Wish::Trust => Plan::TrustUnknown,
            Wish::Auto { safe: true } => Plan::VerifyBeside,
            Wish::Auto { safe: false } => Plan::VerifyFirst,
        }
    }

    /// The origin is asked for a payment that nobody has verified.
    #[must_use]
    pub const fn after_run(self, now: UnixTime) -> Self {
        Self { unsettled: self.unsettled.saturating_add(1), changed_at: now.0, ..self }
    }

    /// Nothing came of a run for a payment that was verified meanwhile: the origin failed, or nothing was used.
    #[must_use]
    pub const fn forgiven(self, now: UnixTime) -> Self {
        Self { unsettled: self.unsettled.saturating_sub(1), changed_at: now.0, ..self }
    }

    /// A payment has settled.
    #[must_use]
    pub const fn after_settlement(self, now: UnixTime) -> Self {
        Self { good: true, refused: false, unsettled: self.unsettled.saturating_sub(1), changed_at: now.0 }
    }

    /// A payment was refused at settling.
    #[must_use]
    pub const fn after_refusal(self, now: UnixTime) -> Self {
        Self { good: false, refused: true, changed_at: now.0, ..self }
    }

    /// When it may be forgotten; Unix seconds.
    pub const fn keep_until(&self) -> u64 {
        self.changed_at.saturating_add(if self.good { KEEP_SECONDS } else { KEEP_UNPROVEN_SECONDS })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1000);
    const READ: Wish = Wish::Auto { safe: true };
    const WRITE: Wish = Wish::Auto { safe: false };

    #[test]
    fn an_unknown_payer_is_verified_and_a_known_one_is_not() {
        let unknown = Standing::default();
        assert_eq!(
            (unknown.plan(READ, false, 2), unknown.plan(WRITE, false, 2)),
            (Plan::VerifyBeside, Plan::VerifyFirst)
        );
        let known = unknown.after_settlement(NOW);
        assert_eq!((known.plan(READ, false, 2), known.plan(WRITE, false, 2)), (Plan::Trust, Plan::Trust));
        assert_eq!(known.plan(Wish::VerifyFirst, false, 2), Plan::VerifyFirst);
        assert_eq!(unknown.plan(Wish::Trust, false, 2), Plan::TrustUnknown);
        assert_eq!(known.plan(Wish::Trust, false, 2), Plan::Trust);
    }

    #[test]
    fn nobody_makes_the_origin_work_for_nothing_more_often_than_twice() {
        for mut standing in [Standing::default(), Standing::default().after_settlement(NOW)] {
            for wish in [READ, Wish::Trust] {
                assert_ne!(standing.plan(wish, false, 2), Plan::VerifyFirst);
                standing = standing.after_run(NOW);
            }
            for wish in [READ, WRITE, Wish::Trust] {
                assert_eq!(standing.plan(wish, false, 2), Plan::VerifyFirst);
            }
            // One that was verified first settles, and the payer is believed again.
            assert_ne!(standing.after_settlement(NOW).plan(READ, false, 2), Plan::VerifyFirst);
        }
    }

    #[test]
    fn the_first_failed_settlement_ends_good_standing() {
        let standing = Standing::default().after_settlement(NOW).after_refusal(NOW);
        assert_eq!(
            (standing.plan(READ, false, 2), standing.plan(WRITE, false, 2)),
            (Plan::VerifyBeside, Plan::VerifyFirst)
        );
    }
}
