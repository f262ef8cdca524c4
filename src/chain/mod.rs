//! What the chain itself says, over the RPC URLs of the price document: the last word about money.
//!
//! Only reads. Specification: Ethereum JSON-RPC, EIP-3009, Permit2.

mod authorization;
mod channel;
mod permit2;
mod rpc;
mod transfers;

pub use authorization::{OnChain, Question, authorization};
pub use channel::{ChannelOnChain, channels};
pub use rpc::{Hex, block_number};
pub use transfers::{Transfer, transfers};
