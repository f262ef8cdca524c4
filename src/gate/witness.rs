//! What an answer was decided by: whether it is the answer to other requests too.

use std::cell::Cell;

use crate::{
    client::Client,
    page::HTML,
    passes::{PASS_HEADER, PASS_MARK},
    ports::Request,
};

/// What tells requests apart that differ in nothing else: the header with passes, what a cookie with passes has in it, and
/// what the `Accept` has in it of whoever may get a page.
pub const MARKS: [&str; 3] = [PASS_HEADER, PASS_MARK, HTML];

/// A request that notes what it is asked for.
///
/// Requests are alike that have the same method, URL, names of headers, and passes: the value of [`PASS_HEADER`], and of a
/// `Cookie` with [`PASS_MARK`] in it.
pub(super) struct Witness<'a, R> {
    request: &'a R,
    seen: Cell<Seen>,
}

/// What counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seen {
    /// What is the same in all requests that are alike.
    Alike,
    /// That besides, and that `Accept` has no [`HTML`] in it.
    NoPage,
    /// Something else.
    More,
}

impl<'a, R: Request> Witness<'a, R> {
    /// Of nothing so far.
    pub(super) const fn of(request: &'a R) -> Self {
        Self { request, seen: Cell::new(Seen::Alike) }
    }

    /// What counted until now.
    pub(super) const fn seen(&self) -> Seen {
        self.seen.get()
    }

    fn see(&self, what: Seen) {
        self.seen.set(self.seen.get().max(what));
    }
}

impl<R: Request> Request for Witness<'_, R> {
    fn method(&self) -> &str {
        self.request.method()
    }

    fn url(&self) -> &str {
        self.request.url()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let value = self.request.header(name)?;
        let has_passes =
            name.eq_ignore_ascii_case(PASS_HEADER) || name.eq_ignore_ascii_case("Cookie") && value.contains(PASS_MARK);
        if !has_passes {
            self.see(Seen::More);
        }
        Some(value)
    }

    fn mentions(&self, name: &str, text: &str) -> bool {
        // Where there is no such header, the names say so.
        let Some(value) = self.request.header(name) else { return false };
        let mentions = value.contains(text);
        match (name, text) {
            ("Cookie", PASS_MARK) => {}
            ("Accept", HTML) if !mentions => self.see(Seen::NoPage),
            _ => self.see(Seen::More),
        }
        mentions
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.request.header_names()
    }

    fn client(&self) -> Client {
        self.see(Seen::More);
        self.request.client()
    }
}
