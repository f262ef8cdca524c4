//! The sockets in the wall: what the paywall needs from outside. `edge/` fills them in a Worker, tests natively.
//!
//! No trait asks for `Send`: a Worker has one thread.

#![allow(async_fn_in_trait)]

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    channels,
    client::Client,
    ledger::{
        BudgetCommand, Command, IdentifierCommand, IdentifierReply, Leased, PassCommand, PassReply,
        Reply as LedgerReply,
    },
    time::UnixTime,
};

/// The request that came in. Names of headers are compared without case.
pub trait Request {
    /// The method as it was sent.
    fn method(&self) -> &str;
    /// The absolute URL as the runtime gave it.
    fn url(&self) -> &str;
    /// A header's value; values of several lines joined by `, `.
    fn header(&self, name: &str) -> Option<&str>;
    /// Whether there is such a header with this text in it.
    fn mentions(&self, name: &str, text: &str) -> bool {
        self.header(name).is_some_and(|value| value.contains(text))
    }
    /// The names of all headers.
    fn header_names(&self) -> impl Iterator<Item = &str>;
    /// What the network knows of the client. Nothing that a client can write itself.
    fn client(&self) -> Client {
        Client::default()
    }
}

/// The answer of an HTTP service of ours, such as a facilitator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body, read whole.
    pub body: String,
}

/// A call that brought no answer. What the other side did with it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The time was over.
    #[error("no answer within the deadline")]
    Deadline,
    /// Refused, reset, unreachable: inside a Worker these look the same.
    #[error("the connection failed")]
    Connection,
}

/// Calls to facilitators and chains.
pub trait Fetch {
    /// GETs JSON and reads the whole answer, all within the deadline.
    async fn get(&self, url: &str, within: Duration) -> Result<Reply, NoAnswer>;
    /// POSTs JSON and reads the whole answer, all within the deadline.
    async fn post_json(&self, url: &str, body: String, within: Duration) -> Result<Reply, NoAnswer>;
}

/// The site behind the paywall.
pub trait Origin {
    /// Its answer, with a body that nobody here reads.
    type Answer: OriginAnswer;
    /// Sends the request on; `within` ends when the answer's head is there, the body takes its time.
    /// Follows no redirects.
    async fn send(&self, forward: Forward, within: Duration) -> Result<Self::Answer, NoAnswer>;
    /// Waits until a request that is being sent is on its way, where that is not so at once.
    async fn under_way(&self) {}
}

/// Changes to a set of headers: first everything in `remove` goes, then `set` is written, then `append` is added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderEdits {
    /// Names to remove.
    pub remove: Vec<Cow<'static, str>>,
    /// Names and values to write, replacing what is there.
    pub set: Vec<(&'static str, String)>,
    /// Names and values to write beside what is there, such as one more cookie.
    pub append: Vec<(&'static str, String)>,
}

impl HeaderEdits {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.append.is_empty()
    }
}

/// A request on its way to the origin: method and body as they came, and this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forward {
    /// Scheme and authority that the client asked, such as `https://example.com`.
    pub public_origin: String,
    /// Path and query exactly as they were judged; begins with `/`.
    pub path_and_query: String,
    /// Changes to the client's headers.
    pub edits: HeaderEdits,
    /// Whether the request is paid for: a cache must not answer it, nor keep the answer.
    pub paid: bool,
}

/// The head of an origin's answer.
pub trait OriginAnswer {
    /// HTTP status; 101 for an accepted WebSocket.
    fn status(&self) -> u16;
    /// A header's value.
    fn header(&self, name: &str) -> Option<String>;
}

/// The ledger cannot be reached: nothing may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ledger cannot be reached")]
pub struct LedgerDown;

/// The ledger: one object per payer and token (`ledger::object_name`), in which commands are applied one at a
/// time, each whole or not at all, and kept before the reply goes out. Settling is done there.
pub trait Ledger {
    /// Applies a command to the payment with this nonce. Replies within the time, with `Reply::Unknown` where
    /// settling takes longer. After [`LedgerDown`] it is not known whether the command arrived.
    async fn tell(
        &self,
        object: &str,
        nonce: &str,
        command: Command,
        within: Duration,
    ) -> Result<LedgerReply, LedgerDown>;

    /// Applies a command to a payment identifier (`ledger::identifier_name`).
    async fn identify(&self, object: &str, command: IdentifierCommand) -> Result<IdentifierReply, LedgerDown>;

    /// Applies a command to a payer's passes (`ledger::passes_name`).
    async fn passes(&self, object: &str, command: PassCommand) -> Result<PassReply, LedgerDown>;

    /// Applies a command to a payment channel (`channels::channel_name`).
    async fn channel(&self, object: &str, command: channels::Command) -> Result<channels::Reply, LedgerDown>;
}

/// Budgets of routes: what may leave before it is paid.
pub trait Budgets {
    /// Applies a command to a budget (`ledger::budget_name`); returns the holder's slice as it is then.
    async fn budget(&self, object: &str, command: BudgetCommand) -> Result<Leased, LedgerDown>;
}

/// A free request of a client, to be taken from its quota.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FreeRequest {
    /// Names the counter: one for each route and UTC day.
    pub counter: String,
    /// Names the client.
    pub client: String,
    /// How many each client has.
    pub requests: u64,
    /// How many all clients have together.
    pub total: Option<u64>,
}

/// A request that was served free, and what it would have been asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Observation {
    /// The price document.
    pub version: String,
    /// Its host, where it names it.
    pub host: String,
    /// The route's key.
    pub route: String,
    /// The rule that held; none for the route's own terms.
    pub rule: Option<usize>,
    /// Why it was free: `observe` or `rollout`.
    pub reason: &'static str,
    /// The first offer: network, token and amount in atomic units; nothing where it would have been refused.
    pub offer: Option<(String, String, String)>,
}

/// The counter cannot be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the counter cannot be reached")]
pub struct CounterDown;

/// Where requests are counted that are not charged.
pub trait Counter {
    /// Takes one request from a quota. False where none is left; then nothing changes.
    async fn take(&self, request: &FreeRequest) -> Result<bool, CounterDown>;
    /// Counts what would have been charged. Keeps nobody waiting; a few may be lost.
    fn observe(&self, observation: Observation);
}

/// The time.
pub trait Clock {
    /// Now. Asked again after every wait.
    fn now(&self) -> UnixTime {
        UnixTime(self.millis() / 1000)
    }
    /// The same in milliseconds, for measuring how long something took.
    fn millis(&self) -> u64;
}

/// Chance.
pub trait Random {
    /// Bytes that nobody can foretell, others each time. Nothing where the runtime has none to give.
    fn bytes(&self) -> Option<[u8; 16]>;
}

/// Where faults are told to the operator. Never to clients.
pub trait Journal {
    /// One line.
    fn fault(&self, text: &str);
}

/// Work that goes on when the one who began it has gone, and waiting.
pub trait Background {
    /// Begins the work; nobody waits for it.
    fn spawn(&self, work: impl Future<Output = ()> + 'static);
    /// Waits.
    async fn pause(&self, time: Duration);
}

/// One SQL statement for the owner's books.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// With `?` for each value.
    pub sql: Cow<'static, str>,
    /// Texts, whole numbers below 2^53, nulls.
    pub values: Vec<Value>,
}

/// A row of an answer, by column.
pub type Row = Map<String, Value>;

/// The books cannot be written or read now; with the reason for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the books (D1): {0}")]
pub struct BooksDown(pub String);

/// The owner's books: an SQL database.
pub trait Books {
    /// Runs the statements in order, all or none; the rows of each.
    async fn run(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, BooksDown>;
}
