//! Where one payer's payments are kept.

use crate::{
    ledger::{Payment, Slices, Standing},
    time::UnixTime,
};

/// The storage of one ledger object. Nothing in it waits: what is read and written without a wait between is
/// one step to everybody else.
pub trait PaymentStore {
    /// Why storage fails.
    type Error: std::fmt::Display;
    /// The payment with this nonce.
    fn load(&self, nonce: &str) -> Result<Option<Payment>, Self::Error>;
    /// Keeps it, and its entry for the owner's books if that has changed.
    fn save(&self, nonce: &str, payment: &Payment) -> Result<(), Self::Error>;
    /// Forgets it.
    fn forget(&self, nonce: &str) -> Result<(), Self::Error>;
    /// Payments whose time has come, the longest waiting first; a hundred at most.
    fn due(&self, now: UnixTime) -> Result<Vec<(String, Payment)>, Self::Error>;
    /// What the payer's payments so far say of the next one.
    fn standing(&self) -> Result<Standing, Self::Error>;
    /// Keeps it.
    fn keep_standing(&self, standing: &Standing) -> Result<(), Self::Error>;
    /// What the payer has leased of routes' budgets.
    fn slices(&self) -> Result<Slices, Self::Error>;
    /// Keeps it.
    fn keep_slices(&self, slices: &Slices) -> Result<(), Self::Error>;
    /// Whether another payment would be too many.
    fn is_full(&self) -> Result<bool, Self::Error>;
}
