//! What a pass opens: whatever would have cost no more than what was paid, of the routes it was sold for.

use crate::{
    ledger::Pass,
    money::Amount,
    prices::{PriceTable, Quote},
    time::UnixTime,
    x402::PaymentRequirements,
};

/// Whether the pass opens this request to `path` of this host, which is asked for a price, now. The pass must be in time
/// and not revoked; its route must be there still, sell passes still, and be the request's own or list it;
/// and what was paid for it must be enough for what the request costs now.
pub fn opens(pass: &Pass, quote: &Quote<'_>, table: &PriceTable, (host, path): (&str, &str), now: UnixTime) -> bool {
    is_live(pass, table, host, now)
        && pass.path.as_ref().is_none_or(|only| only == path)
        && quote.route.is_opened_by(&pass.route)
        && is_enough(pass, quote.accepts())
}

/// Whether the pass is one of this host, in time and not revoked: whatever it opens, its payer has paid here.
pub fn is_live(pass: &Pass, table: &PriceTable, host: &str, now: UnixTime) -> bool {
    pass.host == host && now.0 < pass.expires_at && !table.revoked().voids(&pass.id, &pass.payer, pass.epoch)
}

/// Whether what was paid for the pass would pay one of these offers.
pub fn is_enough(pass: &Pass, offers: &[PaymentRequirements]) -> bool {
    let Ok(paid) = pass.amount.parse::<Amount>() else { return false };
    let would_pay = |offer: &PaymentRequirements| {
        offer.amount() <= paid && offer.network().to_string() == pass.network && offer.asset().is_written(&pass.asset)
    };
    offers.iter().any(would_pay)
}
