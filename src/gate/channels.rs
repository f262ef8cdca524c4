//! What selling by channel needs from outside.

use crate::{
    evm::{Address, BadKey, Signer},
    prices::PriceTable,
};

/// The receiver's keys, and whether channels can be kept.
#[derive(Debug, Clone, Copy)]
pub struct Channels<'a> {
    /// The owner's own keys for claims and refunds: the first for new channels, the others for old ones. None: a
    /// facilitator's is used.
    pub keys: Result<&'a [Signer], BadKey>,
    /// Whether there is a place to keep channels.
    pub kept: bool,
}

impl Channels<'_> {
    /// Where nothing is sold by channel.
    pub const CLOSED: Self = Channels { keys: Ok(&[]), kept: false };

    /// Whether channels can be sold by. With a key that cannot be read they cannot: whoever opened one now would have it
    /// claimed by somebody else.
    pub(super) const fn are_open(&self) -> bool {
        self.kept && self.keys.is_ok()
    }

    /// Whose key signs for new channels, where it is the owner's.
    pub(super) fn authorizer(&self) -> Option<Address> {
        self.keys.ok()?.first().map(Signer::address)
    }

    /// The owner's key of this address.
    pub(super) fn signer(&self, address: Address) -> Option<&Signer> {
        self.keys.ok()?.iter().find(|key| key.address() == address)
    }

    /// For the operator.
    pub(super) fn status(&self, table: Option<&PriceTable>) -> &'static str {
        match (self.keys, self.kept) {
            _ if !table.is_some_and(PriceTable::offers_channels) => "none",
            (_, false) => "none are sold: there is no binding CHANNELS",
            (Err(_), true) => {
                "none are sold: RECEIVER_AUTHORIZER_KEY is not one or more private keys, 0x and 64 digits each"
            }
            (Ok([]), true) => "ready, claimed by the facilitator's key",
            (Ok(_), true) => "ready",
        }
    }
}
