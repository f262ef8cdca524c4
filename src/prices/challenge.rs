//! How long a route's 402 would be.

use std::rc::Rc;

use crate::{
    transports::http::encode_header,
    x402::{PaymentRequired, ResourceInfo},
};

use super::{Diagnosis, Route, Rule, Terms, fnv::FnvMap};

/// A 402's header may be so long without its URL. Node.js clients fail on 16 KB of headers in all.
const MAX_BYTES: usize = 8 * 1024;

/// What a text may grow to in JSON, byte for byte.
const JSON_GROWTH: usize = 6;

/// The lengths of offers that were seen before: routes share them.
#[derive(Debug, Default)]
pub(super) struct Challenges {
    offers: FnvMap<*const (), usize>,
}

impl Challenges {
    /// What is wrong with a route of which some 402 would be too long for clients.
    pub(super) fn problem(&mut self, route: &Route) -> Option<Diagnosis> {
        let all_terms = || std::iter::once(route.terms()).chain(route.rules().iter().map(Rule::terms));
        let offers = all_terms().map(|terms| self.offers_bytes(terms)).max().unwrap_or(0);
        // Nearly all are short by far: writing each of them would be most of the work of reading a document.
        let at_most = offers + JSON_GROWTH * texts(route.description()) + 512;
        if route.extensions().is_empty() && at_most / 3 * 4 < MAX_BYTES {
            return None;
        }
        let bytes = |terms: &Terms| {
            encode_header(&PaymentRequired::new("", route.description(), terms.accepts(), route.extensions())).len()
        };
        let bytes = all_terms().map(bytes).max().filter(|bytes| *bytes > MAX_BYTES)?;
        let message = format!(
            "the header of this route's 402 would have {bytes} bytes, {MAX_BYTES} are allowed: \
             shorten the description and extensions, or offer fewer ways to pay"
        );
        Some(Diagnosis::new(route.pointer(), message))
    }

    fn offers_bytes(&mut self, terms: &Terms) -> usize {
        let Terms::Offers(offers) = terms else { return 0 };
        let bytes = || offers.iter().map(|offer| offer.wire().to_string().len() + 1).sum();
        *self.offers.entry(Rc::as_ptr(offers).cast()).or_insert_with(bytes)
    }
}

fn texts(resource: &ResourceInfo) -> usize {
    let ResourceInfo { url, description, mime_type, service_name, tags, icon_url } = resource;
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let optional = length(description) + length(mime_type) + length(service_name) + length(icon_url);
    url.len() + optional + tags.iter().map(|tag| tag.len() + 1).sum::<usize>()
}
