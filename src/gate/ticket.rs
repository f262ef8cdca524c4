//! A hold on a payment in the ledger.

use crate::{
    evm::{Address, Hash32, keccak256},
    ledger::{Command, Reply, object_name},
    network::Network,
    ports::{Ledger, LedgerDown},
};

/// Where the ledger keeps a payment, and the hold we have on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    object: String,
    nonce: String,
    hold: u32,
}

impl Ticket {
    /// The place of a payment, not held yet.
    pub(super) fn of(network: Network, asset: Address, payer: Address, nonce: &Hash32) -> Self {
        Self { object: object_name(network, asset, payer), nonce: hex::encode(nonce), hold: 0 }
    }

    /// The same with the hold the ledger gave.
    pub(super) fn held(self, hold: u32) -> Self {
        Self { hold, ..self }
    }

    /// Names the payment to the origin: the same for every attempt, and for nobody else's payment.
    pub(super) fn idempotency_key(&self) -> String {
        hex::encode(keccak256(format!("{}:{}", self.object, self.nonce).as_bytes()))
    }

    /// Tells the ledger something about this payment; the command is made with the hold.
    pub async fn tell(&self, ledger: &impl Ledger, command: impl FnOnce(u32) -> Command) -> Result<Reply, LedgerDown> {
        ledger.tell(&self.object, &self.nonce, command(self.hold)).await
    }
}
