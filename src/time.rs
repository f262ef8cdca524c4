//! Time as the chain counts it. There is no clock here: whoever needs the time is given it.

use crate::evm::Uint256;

/// Whole seconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// So many seconds later; the end of time where the number does not fit.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }
}

impl From<UnixTime> for Uint256 {
    fn from(time: UnixTime) -> Self {
        Self::from(time.0)
    }
}
