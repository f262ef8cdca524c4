//! What changes in most answers to requests that a pass opened: those in which the origin has said nothing about it.

use std::cell::RefCell;

use crate::{
    ports::{HeaderEdits, OriginAnswer},
    prices::Snapshot,
};

use super::pass_edits;

/// [`pass_edits`] of an answer that is no redirect and has none of certain headers.
#[derive(Debug, PartialEq, Eq)]
pub struct UsualEdits {
    /// With one of these headers, names in lower case, an answer is another case.
    pub unless: Vec<String>,
    /// Headers to set. None is taken out.
    pub set: Vec<(&'static str, String)>,
}

/// The same for all answers by one price document; `url` is any request's.
pub fn usual_pass_edits(prices: &Snapshot, url: &str, version: Option<&str>) -> UsualEdits {
    let bare = Bare::default();
    let HeaderEdits { remove, set, .. } = pass_edits(prices, url, &bare, None, version);
    let mut unless = bare.asked_for.into_inner();
    unless.extend(remove.iter().map(|name| name.to_lowercase()));
    UsualEdits { unless, set }
}

/// An answer without headers. It notes which it is asked for: one that lacks these is treated as this one is.
#[derive(Default)]
struct Bare {
    asked_for: RefCell<Vec<String>>,
}

impl OriginAnswer for Bare {
    fn status(&self) -> u16 {
        200
    }

    fn header(&self, name: &str) -> Option<String> {
        self.asked_for.borrow_mut().push(name.to_lowercase());
        None
    }
}
