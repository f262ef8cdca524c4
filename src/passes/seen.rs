//! Passes that were read before: one that comes again is compared, not computed and parsed once more.

use std::{cell::RefCell, collections::BTreeMap, fmt, rc::Rc};

use hmac::{Hmac, digest::CtOutput};
use sha2::Sha256;

use crate::ledger::Pass;

/// A MAC, which is only ever compared in constant time.
pub(super) type Tag = CtOutput<Hmac<Sha256>>;

/// So many are kept; a site whose visitors have more begins anew.
const MAX_KEPT: usize = 256;

/// What good passes of one set of keys say, by what is signed of them. Others are not kept: nobody fills it with theirs.
#[derive(Default)]
pub(super) struct Seen(RefCell<BTreeMap<String, (Tag, Rc<Pass>)>>);

impl Seen {
    /// The pass, if this was signed so before.
    pub(super) fn get(&self, signed: &str, tag: &Tag) -> Option<Rc<Pass>> {
        self.0.borrow().get(signed).filter(|(known, _)| known == tag).map(|(_, pass)| Rc::clone(pass))
    }

    /// Keeps a pass whose tag was found right.
    pub(super) fn keep(&self, signed: &str, tag: Tag, pass: &Rc<Pass>) {
        let mut kept = self.0.borrow_mut();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(signed.to_owned(), (tag, Rc::clone(pass)));
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seen").field(&self.0.borrow().len()).finish()
    }
}
