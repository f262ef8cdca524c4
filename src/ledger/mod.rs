//! The ledger: what became of each payment, so that none is lost and none is charged twice.
//!
//! One object per payer and token holds the payments; these are its rules, without storage, clock or network.
//! `docs/ledger.md` draws the states and says what the payer sees.

mod budget;
mod command;
mod entry;
mod exposure;
mod identifier;
mod passes;
mod payment;
mod rules;
mod standing;

use crate::{evm::Address, network::Network};

pub use budget::{Budget, BudgetCommand, Leased, SLICE_SECONDS, apply_to_budget};
pub use command::{Command, Outcome, Presentation, Reply};
pub use entry::{Entry, entry, payment_id};
pub use exposure::{Exposure, Slices, set_aside};
pub use identifier::{Identified, IdentifierCommand, IdentifierReply, KeptAnswer, MAX_KEPT_BODY_BYTES, identify};
pub use passes::{KeptPass, PASS_MARGIN_SECONDS, Pass, PassCommand, PassReply, PassStore, apply_to_passes};
pub use payment::{Ahead, Payment, Sale, State};
pub use rules::{Alarm, CLERK_SECONDS, apply, on_alarm, wake};
pub use standing::{Plan, Standing, Wish};

/// The name of the object that holds a payer's payments whose nonces are spent in one contract: the token by
/// EIP-3009, Permit2 for all tokens. Stored data hangs on it: never change it.
pub fn object_name(network: Network, nonce_contract: Address, payer: Address) -> String {
    format!("payments:v1:{network}:{nonce_contract}:{payer}").to_lowercase()
}

/// The name of the object that keeps what a payment identifier is bound to at a host.
pub fn identifier_name(host: &str, id: &str) -> String {
    format!("identifier:v1:{}:{id}", host.to_ascii_lowercase())
}

/// The name of the object that keeps the budget of a route: of what may leave before it is paid in one token. `host` is
/// where the route stands in the price document; empty for all other hosts.
pub fn budget_name(host: &str, route: &str, network: Network, asset: Address) -> String {
    format!("budget:v1:{network}:{}:{host}:{route}", asset.to_string().to_lowercase())
}

/// The name of the object that keeps a payer's passes of a host.
pub fn passes_name(host: &str, payer: &str) -> String {
    format!("passes:v1:{host}:{payer}").to_lowercase()
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
        assert_eq!(identifier_name("Shop.example:8080", "pay_A-1"), "identifier:v1:shop.example:8080:pay_A-1");
        assert_eq!(
            budget_name("api.example", "GET /v1/*", Network::eip155(8453), Address::new([0xab; 20])),
            "budget:v1:eip155:8453:0xabababababababababababababababababababab:api.example:GET /v1/*"
        );
        assert_eq!(passes_name("shop.example", "0xAbCd"), "passes:v1:shop.example:0xabcd");
    }
}
