//! What things cost: the owner's price document, the table made from it, and what a request matches.
//!
//! A document is used whole or not at all. Every way a server could read a request's path, parameters and headers
//! is judged, so that no spelling of a priced request is free.

mod challenge;
mod channel;
mod decision;
mod diagnosis;
mod document;
mod effort;
mod fnv;
mod headers;
mod history;
mod host;
mod inquiry;
mod json;
mod method;
mod offer;
mod pass;
mod pattern;
mod policy;
mod query;
mod quota;
mod readings;
mod resource;
mod revoked;
mod rollout;
mod route;
mod rule;
mod scope;
mod site;
mod snapshot;
mod table;
mod target;
mod terms;
mod ties;
mod token;
mod trie;
mod url;
mod when;
mod wildcard;

pub use channel::Claims;
pub use decision::{Ambiguity, Decision, Quote};
pub use diagnosis::Diagnosis;
pub use effort::{FREE_PLAN_MILLIS, reading_millis};
pub use headers::{Headers, canonical_name};
pub use history::{Ask, History, Replaced, Seen, Told};
pub use host::host_of;
pub use inquiry::Inquiry;
pub use method::{Method, Methods};
pub use pass::PassTerms;
pub use pattern::{Pattern, PatternError};
pub use policy::{Policy, Settle, Verify};
pub use quota::{Per, Quota};
pub use readings::{Readings, TooManyReadings, readings, resolve_dot_segments};
pub use revoked::Revoked;
pub use rollout::Rollout;
pub use route::Route;
pub use rule::Rule;
pub use scope::Mode;
pub use site::Site;
pub use snapshot::{Snapshot, VANISHED, hash_of, version_of};
pub use table::PriceTable;
pub use target::{BadTarget, Target};
pub use terms::Terms;
pub use token::Token;
pub use when::When;
