//! x402-edge: the paywall you deploy in front of any site.
//!
//! The rooms, from the ground up. Imports go down only; `tests/layers.rs` holds that.
//!
//! | floor | rooms |
//! |---|---|
//! | 0 facts of the world | [`client`], [`evm`], [`metering`], [`money`], [`network`], [`time`] |
//! | 1 types: the words of the protocol | [`x402`] |
//! | 2 logic and representation | [`schemes`], [`transports`], [`extensions`] |
//! | – what is remembered, and the sockets in the wall | [`ledger`], [`channels`], [`ports`] |
//! | 3 the paywall's own rooms | [`prices`], [`chain`], [`facilitator`], [`settlement`], [`claims`], [`books`], [`origin`], [`page`], [`passes`] |
//! | 4 the story | [`gate`] |
//! | 5 the outside | `edge` (in a Worker), `bin/x402-edge` (on your machine) |

pub mod client;
pub mod evm;
pub mod json;
pub mod metering;
pub mod money;
pub mod network;
pub mod time;

pub mod x402;

pub mod extensions;
pub mod schemes;
pub mod transports;

pub mod channels;
pub mod ledger;
pub mod ports;

pub mod books;
pub mod chain;
pub mod claims;
pub mod facilitator;
pub mod origin;
pub mod page;
pub mod passes;
pub mod prices;
pub mod settlement;

pub mod gate;

#[cfg(all(target_arch = "wasm32", feature = "worker"))]
mod edge;
