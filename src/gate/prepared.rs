//! 402 answers that are written once for each quote of a document: what differs from request to request is the URL.

use std::{borrow::Cow, cell::RefCell, collections::BTreeMap};

use serde_json::Value;

use crate::{
    prices::{Quote, Target},
    x402::ResourceInfo,
};

use super::{
    OurAnswer,
    answer::{Challenge, unpaid_answer},
    at_once::by_document,
};

/// Stands for the URL while an answer is prepared. Written in JSON it becomes [`MARK_IN_JSON`].
const MARK: &str = "\u{1}url\u{1}";
const MARK_IN_JSON: &str = "\\u0001url\\u0001";

/// So many quotes are kept; a site that uses more begins anew.
const MAX_KEPT: usize = 512;

/// Answers of one document.
#[derive(Debug, Default)]
pub struct Prepared(RefCell<Kept>);

#[derive(Debug, Default)]
struct Kept {
    version: Option<String>,
    /// By the route's place in the document; the rule, and whether a client may name its payment.
    answers: BTreeMap<String, Vec<(Option<usize>, bool, Template)>>,
    count: usize,
}

/// The header's JSON and the body, in pieces: the URL goes between them.
#[derive(Debug)]
struct Template {
    required: Vec<String>,
    body: Vec<String>,
}

impl Prepared {
    /// The answer to a request without a payment, with a JSON body; nothing where it cannot be prepared.
    pub(super) fn unpaid(
        &self,
        version: &str,
        quote: &Quote<'_>,
        target: &Target<'_>,
        public_url: Option<&str>,
        identifiers: bool,
        head_only: bool,
    ) -> Option<OurAnswer> {
        let url = quote.route.resource_url(target, public_url);
        let url = &*in_json(&url)?;
        let kept = &mut *self.0.borrow_mut();
        if kept.version.as_deref() != Some(version) || kept.count >= MAX_KEPT {
            *kept = Kept { version: Some(version.to_owned()), ..Kept::default() };
        }
        let is_it = |(rule, named, _): &&(Option<usize>, bool, Template)| *rule == quote.rule && *named == identifiers;
        let known = kept.answers.get(quote.route.pointer()).and_then(|all| all.iter().find(is_it));
        if let Some((.., template)) = known {
            return Some(template.answer(version, url, head_only));
        }
        let template = Template::of(*quote, identifiers)?;
        let answer = template.answer(version, url, head_only);
        kept.answers.entry(quote.route.pointer().to_owned()).or_default().push((quote.rule, identifiers, template));
        kept.count += 1;
        Some(answer)
    }
}

/// A text as it stands between quotation marks in JSON.
fn in_json(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| b < b' ' || b == b'"' || b == b'\\') {
        return Some(Cow::Borrowed(text));
    }
    let quoted = Value::String(text.to_owned()).to_string();
    Some(Cow::Owned(quoted.get(1..quoted.len() - 1)?.to_owned()))
}

impl Template {
    /// Nothing where the owner's own texts hold the mark: then it is not known where the URL goes.
    fn of(quote: Quote<'_>, identifiers: bool) -> Option<Self> {
        let resource = ResourceInfo { url: MARK.to_owned(), ..quote.route.description().clone() };
        let challenge = Challenge::of(quote, resource, identifiers);
        let (required, body) = challenge.unpaid_texts();
        let pieces = |text: &str| text.split(MARK_IN_JSON).map(str::to_owned).collect::<Vec<String>>();
        let (required, body) = (pieces(&required), pieces(&body));
        let as_expected = required.len() == 2 && body.len() == 1 + challenge.v1_offers_count();
        as_expected.then_some(Self { required, body })
    }

    fn answer(&self, version: &str, url: &str, head_only: bool) -> OurAnswer {
        let body = if head_only { String::new() } else { self.body.join(url) };
        by_document(unpaid_answer(&self.required.join(url), body), Some(version))
    }
}
