//! A request that is well formed, and the prices that hold for it.

use std::{borrow::Cow, ops::Deref};

use crate::{
    client::Client,
    evm::keccak256,
    origin::free_forward,
    passes::{PASS_MARK, without_passes},
    ports::{Forward, Request},
    prices::{Headers, Inquiry, Method, Methods, PriceTable, Target, host_of, reads_as},
};

/// A request that is well formed, and the prices that hold for it.
pub(super) struct Visit<'a, R> {
    pub(super) request: &'a R,
    pub(super) target: Target<'a>,
    pub(super) table: &'a PriceTable,
}

/// Headers by which some frameworks let a client change the method.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

impl<'a, R: Request> Visit<'a, R> {
    /// The request as far as prices depend on it.
    pub(super) fn inquiry<'i>(
        &'i self,
        methods: &'i Methods,
        headers: &'i dyn Headers,
        client: &'i dyn Deref<Target = Client>,
    ) -> Inquiry<'i> {
        let Target { authority, path, query, .. } = self.target;
        Inquiry { methods, authority, path, query, headers, client }
    }

    /// Whether a path of the same site has a route.
    pub(super) fn is_priced(&self, path: &str) -> bool {
        self.table.is_priced(self.target.authority, path)
    }

    /// Scheme and host that clients of this site use, where the owner has said it.
    pub(super) fn public_url(&self) -> Option<&'a str> {
        self.table.site(self.target.authority)?.public_url()
    }

    /// The host as passes name it.
    pub(super) fn host(&self) -> String {
        host_of(self.target.authority)
    }

    /// The cookies, where one of ours may be among them.
    pub(super) fn cookies_with_passes(&self) -> Option<&str> {
        self.request.mentions("Cookie", PASS_MARK).then(|| self.request.header("Cookie")).flatten()
    }

    /// Whether asking the origin changes nothing there. A framework that obeys an override would do more than read.
    pub(super) fn only_reads(&self) -> bool {
        Method::parse(self.request.method())
            .is_some_and(|method| ["GET", "HEAD"].contains(&method.as_str()) && self.methods(&method) != Methods::Any)
    }

    /// Names the request for the ledger: a payment is owed to the one it was first presented for. Of a body, which is
    /// never read here, length and type.
    pub(super) fn name(&self) -> String {
        let Target { path, query, .. } = self.target;
        let mut text = format!("{} {}{path}{query}", self.request.method(), self.host());
        for name in ["Range", "Content-Type", "Content-Length"] {
            text.push('\n');
            text.push_str(self.request.header(name).unwrap_or_default());
        }
        hex::encode(keccak256(text.as_bytes()))
    }

    /// The request on its way to the origin: exactly the path and query that were judged.
    pub(super) fn forward(&self) -> Forward {
        let path_and_query = [self.target.path, self.target.query].concat();
        let mut forward = free_forward(self.target.origin(), path_and_query, self.request.header_names());
        // Whatever it opens, a pass is nothing to the origin. Its cookie goes along with every request of the site.
        match self.cookies_with_passes().map(without_passes) {
            None | Some(Cow::Borrowed(_)) => {}
            Some(Cow::Owned(rest)) if rest.is_empty() => forward.edits.remove.push("Cookie".into()),
            Some(Cow::Owned(rest)) => forward.edits.set.push(("Cookie", rest)),
        }
        forward
    }

    pub(super) fn methods(&self, method: &Method) -> Methods {
        methods_of(self.request, &self.target, method)
    }
}

/// What the origin may take the method for. What an override says is not read: frameworks differ in that too.
pub fn methods_of(request: &impl Request, target: &Target<'_>, method: &Method) -> Methods {
    let overrides = |name: &str| METHOD_OVERRIDES.iter().any(|known| reads_as(name, known));
    if target.overrides_method() || request.header_names().any(overrides) {
        return Methods::Any;
    }
    // workerd opens a WebSocket with GET, whatever the method was; the origin may answer it as any other GET.
    let upgrades = request.header_names().any(|name| reads_as(name, "Upgrade"));
    if upgrades { method.readings().or_get() } else { method.readings() }
}

/// The request's headers, as prices see them.
pub(super) struct RequestHeaders<'a, R>(pub(super) &'a R);

impl<R: Request> Headers for RequestHeaders<'_, R> {
    fn get(&self, name: &str) -> Option<String> {
        self.0.header(name).map(str::to_owned)
    }

    fn names(&self) -> Vec<String> {
        self.0.header_names().map(str::to_owned).collect()
    }
}
