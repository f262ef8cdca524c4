//! What a request costs, and why.

use std::ops::Deref;

use crate::{
    client::Client,
    x402::{PaymentRequirements, ResourceInfo},
};

use super::{Mode, Route, Terms};

/// What is asked of one request, and who says so.
#[derive(Debug, Clone, Copy)]
pub struct Quote<'a> {
    /// The route that the request fell to.
    pub route: &'a Route,
    /// The rule of that route that holds, counted from 0; none for the route's own terms.
    pub rule: Option<usize>,
    /// What it says.
    pub terms: &'a Terms,
}

/// What a request costs.
#[derive(Debug, Clone, Copy)]
pub enum Decision<'a> {
    /// Nothing: no route covers it, however it is read.
    Unpriced,
    /// Nothing: this route or rule says free.
    Free(Quote<'a>),
    /// What this quote says.
    Priced(Quote<'a>),
    /// It is refused.
    Denied(Quote<'a>),
    /// Nothing, since prices are only observed here: the quote is what would be asked.
    Observed(Quote<'a>),
    /// Nothing, since this client is not among those who are charged yet: the quote is what would be asked.
    OutsideRollout(Quote<'a>),
    /// Different readings of the request have different prices: no honest client.
    Ambiguous(Ambiguity),
}

/// Why a request has no one price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ambiguity {
    /// The path can be read in too many ways.
    TooManyReadings,
    /// Different routes in different readings of the path or the method.
    Routes,
    /// One route, but rules that hold in one reading of a header or parameter and not in another.
    Rules,
    /// The host is not named in the document, and the path is priced under one that is.
    Host,
}

impl<'a> Quote<'a> {
    /// The v2 offers, in the owner's order.
    pub fn accepts(&self) -> &'a [PaymentRequirements] {
        self.terms.accepts()
    }

    /// The offers that v1 can express, for this resource.
    pub fn accepts_v1(&self, resource: &ResourceInfo) -> Vec<PaymentRequirements> {
        Route::v1_offers(self.accepts(), resource)
    }
}

/// The strictest of everything that may be said to a request: a refusal over a price, a price over nothing.
/// Two different prices are none. What is only observed, or not yet charged to this client, hurts nobody.
pub(super) fn strictest<'a>(quotes: &[Quote<'a>], client: &dyn Deref<Target = Client>) -> Decision<'a> {
    let Some(first) = quotes.first() else { return Decision::Unpriced };
    let observed = |quote: &Quote<'_>| quote.route.mode() == Mode::Observe;
    if let Some(denied) = quotes.iter().find(|quote| *quote.terms == Terms::Denied && !observed(quote)) {
        return Decision::Denied(*denied);
    }
    let is_price = |quote: &&Quote<'_>| matches!(quote.terms, Terms::Offers(_));
    let charged = |quote: &&Quote<'_>| !observed(quote) && quote.route.rollout().includes(client);
    let mut prices = quotes.iter().filter(is_price).filter(charged);
    let Some(price) = prices.next() else {
        // Nothing is charged. What would be?
        return match quotes.iter().find(|quote| *quote.terms != Terms::Free) {
            Some(quote) if observed(quote) => Decision::Observed(*quote),
            Some(quote) => Decision::OutsideRollout(*quote),
            None => Decision::Free(*first),
        };
    };
    let same_route = |quote: &Quote<'_>| std::ptr::eq(quote.route, price.route);
    match prices.find(|quote| !same_route(quote) || quote.terms != price.terms) {
        Some(other) if same_route(other) => Decision::Ambiguous(Ambiguity::Rules),
        Some(_) => Decision::Ambiguous(Ambiguity::Routes),
        None => Decision::Priced(*price),
    }
}
