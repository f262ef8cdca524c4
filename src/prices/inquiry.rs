//! A request as far as prices depend on it.

use std::ops::Deref;

use crate::client::Client;

use super::{Headers, Methods};

/// Everything that a price may depend on.
#[derive(Clone, Copy)]
pub struct Inquiry<'a> {
    /// What the method may be taken for: [`Method::readings`](super::Method::readings).
    pub methods: &'a Methods,
    /// Host and port as they stand in the URL.
    pub authority: &'a str,
    /// The raw path; begins with `/`.
    pub path: &'a str,
    /// The raw query, with or without its `?`.
    pub query: &'a str,
    /// The request's headers.
    pub headers: &'a dyn Headers,
    /// What the network knows of the client: looked up where a price asks for it.
    pub client: &'a dyn Deref<Target = Client>,
}
