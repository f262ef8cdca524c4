//! What a till keeps.

use crate::{
    channels::{Move, Pending, Till},
    time::UnixTime,
};

/// The storage of one till. What is written before a wait is kept, whatever becomes of the one who waits.
pub trait TillStore {
    /// Why it failed.
    type Error: std::fmt::Display;

    /// The till itself; nothing before the first claim was brought.
    fn till(&self) -> Result<Option<Till>, Self::Error>;
    /// Keeps it.
    fn keep_till(&self, till: &Till) -> Result<(), Self::Error>;
    /// A channel's claim.
    fn load(&self, channel: &str) -> Result<Option<Pending>, Self::Error>;
    /// Keeps it.
    fn save(&self, channel: &str, pending: &Pending) -> Result<(), Self::Error>;
    /// It is done.
    fn forget(&self, channel: &str) -> Result<(), Self::Error>;
    /// Claims whose time has come, the first first, at most so many.
    fn due(&self, now: UnixTime, at_most: usize) -> Result<Vec<(String, Pending)>, Self::Error>;
    /// For the owner's books.
    fn note(&self, moved: &Move) -> Result<(), Self::Error>;
}
