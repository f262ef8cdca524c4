//! The ledger: what became of each payment, so that none is lost and none is charged twice.
//!
//! One object per payer and token holds the payments; these are its rules, without storage, clock or network.
//! `docs/ledger.md` draws the states and says what the payer sees.

mod command;
mod entry;
mod payment;
mod rules;

use crate::{evm::Address, network::Network};

pub use command::{Command, Outcome, Presentation, Reply};
pub use entry::{Entry, entry, payment_id};
pub use payment::{Payment, Sale, State};
pub use rules::{Alarm, CLERK_SECONDS, apply, on_alarm, wake};

/// The name of the object that holds a payer's payments in a token. Stored data hangs on it: never change it.
pub fn object_name(network: Network, asset: Address, payer: Address) -> String {
    format!("payments:v1:{network}:{asset}:{payer}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_object_never_changes() {
        let name = object_name(Network::eip155(84532), Address::new([0xab; 20]), Address::new([0xcd; 20]));
        assert_eq!(
            name,
            "payments:v1:eip155:84532:0xabababababababababababababababababababab:0xcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
        );
    }
}
