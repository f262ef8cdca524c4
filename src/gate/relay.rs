//! The way through for requests that nobody pays for, and what of the origin's answer becomes ours.

use std::time::Duration;

use crate::{
    origin::{Destination, PRICES_HEADER, destination},
    ports::{Clock, Counter, Fetch, HeaderEdits, Journal, Ledger, Origin, OriginAnswer, Request},
    prices::Target,
};

use super::{
    Answer, Gate, Visit,
    answer::{self, OurAnswer},
};

/// An origin that has not begun to answer by then is given up; Cloudflare itself waits 100 s.
pub(super) const ORIGIN_WITHIN: Duration = Duration::from_secs(100);

impl<F: Fetch, H: Clock + Journal, L: Ledger, N: Counter> Gate<'_, F, H, L, N> {
    /// A free request goes through: nothing is asked of it, its answer is the origin's.
    pub(super) async fn relay<R: Request, O: Origin>(
        &self,
        visit: &Visit<'_, R>,
        edits: HeaderEdits,
        origin: &O,
    ) -> Answer<O::Answer> {
        match self.ask_origin(visit, origin).await {
            Ok(answer) => self.relayed(answer, visit, edits),
            Err(answer) => answer.into(),
        }
    }

    /// The origin's answer to a request that nobody pays for.
    pub(super) async fn ask_origin<R: Request, O: Origin>(
        &self,
        visit: &Visit<'_, R>,
        origin: &O,
    ) -> Result<O::Answer, OurAnswer> {
        origin.send(visit.forward(), ORIGIN_WITHIN).await.map_err(|error| {
            self.host.fault(&format!("origin: {error}"));
            answer::origin_failed(error)
        })
    }

    /// Passes an answer on that nobody is charged for.
    pub(super) fn relayed<R: Request, A: OriginAnswer>(
        &self,
        answer: A,
        visit: &Visit<'_, R>,
        edits: HeaderEdits,
    ) -> Answer<A> {
        let edits = relayed_edits(&answer, &visit.target, self.origin_url, visit.public_url(), edits);
        Answer::Origins { answer, edits, delivery: None }
    }

    /// A redirect that names the origin's own host is turned into one that clients can follow.
    pub(super) fn hide_origin<R: Request>(
        &self,
        answer: &impl OriginAnswer,
        visit: &Visit<'_, R>,
        edits: HeaderEdits,
    ) -> HeaderEdits {
        hiding_origin(self.redirect(answer, visit), edits)
    }

    /// Where the answer redirects to, if it does.
    pub(super) fn redirect<R: Request>(&self, answer: &impl OriginAnswer, visit: &Visit<'_, R>) -> Option<Destination> {
        redirect(answer, &visit.target, self.origin_url, visit.public_url())
    }
}

/// What changes in an answer that nobody is charged for: only we speak of prices, and redirects lead to us.
pub(super) fn relayed_edits(
    answer: &impl OriginAnswer,
    target: &Target<'_>,
    origin_url: Option<&str>,
    public_url: Option<&str>,
    mut edits: HeaderEdits,
) -> HeaderEdits {
    if answer.header(PRICES_HEADER).is_some() {
        edits.remove.push(PRICES_HEADER.into());
    }
    hiding_origin(redirect(answer, target, origin_url, public_url), edits)
}

pub(super) fn hiding_origin(redirect: Option<Destination>, mut edits: HeaderEdits) -> HeaderEdits {
    if let Some(Destination::Here { rewritten: Some(location), .. }) = redirect {
        edits.set.push(("Location", location));
    }
    edits
}

pub(super) fn redirect(
    answer: &impl OriginAnswer,
    target: &Target<'_>,
    origin_url: Option<&str>,
    public_url: Option<&str>,
) -> Option<Destination> {
    let location = (300..400).contains(&answer.status()).then(|| answer.header("Location")).flatten()?;
    Some(destination(&location, target, origin_url, public_url))
}
