//! What an answer was decided by: whether it is the answer to other requests too.

use std::cell::Cell;

use crate::{client::Client, page::HTML, passes::PASS_MARK, ports::Request};

/// What makes a request another case than one of the same method, URL and header names: a header, in lower case, and a
/// text in it. For a request that goes on to the origin only the first counts.
pub const UNLESS: [(&str, &str); 2] = [("cookie", PASS_MARK), ("accept", HTML)];

/// A request that notes what it is asked for.
pub(super) struct Witness<'a, R> {
    request: &'a R,
    /// So many of [`UNLESS`] have been asked for, and do not apply; more: something else counts.
    seen: Cell<usize>,
}

impl<'a, R: Request> Witness<'a, R> {
    /// Of nothing so far.
    pub(super) const fn of(request: &'a R) -> Self {
        Self { request, seen: Cell::new(0) }
    }

    /// Whether nothing counted but the method, the URL, the names of headers, and that the first `of` of [`UNLESS`] do
    /// not apply.
    pub(super) fn saw_only(&self, of: usize) -> bool {
        self.seen.get() <= of
    }

    fn see(&self, number: usize) {
        self.seen.set(self.seen.get().max(number));
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
        let value = self.request.header(name);
        if value.is_some() {
            self.see(usize::MAX);
        }
        value
    }

    fn mentions(&self, name: &str, text: &str) -> bool {
        let mentions = self.request.mentions(name, text);
        let is_it = |unless: &(&str, &str)| name.eq_ignore_ascii_case(unless.0) && text == unless.1;
        match UNLESS.iter().position(is_it) {
            Some(index) if !mentions => self.see(index + 1),
            // Where there is no such header, the names say so.
            None if self.request.header(name).is_none() => {}
            _ => self.see(usize::MAX),
        }
        mentions
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.request.header_names()
    }

    fn client(&self) -> Client {
        self.see(usize::MAX);
        self.request.client()
    }
}
