//! Money: amounts in atomic units, prices as an owner writes them, and the stablecoins we know.
//!
//! Integers only. A conversion is exact or it is refused; nothing is ever rounded.

mod amount;
mod asset;
mod price;

pub use amount::{Amount, ParseAmountError};
pub use asset::{KNOWN_ASSETS, KnownAsset, TransferMethod, default_asset, known_asset, known_symbol};
pub use price::{Decimal, PriceError};
