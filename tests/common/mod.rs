//! Stand-ins for the outside, and one-line helpers for the tests.

#![allow(dead_code, missing_docs, unreachable_pub)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unnecessary_wraps,
    clippy::type_complexity
)]

pub mod shop;
pub mod wallet;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::poll_fn,
    ops::Deref,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use serde_json::{Value, json};
use x402_edge::{
    channels::{self, Account},
    client::Client,
    evm::{BadKey, Signer},
    facilitator::Roster,
    gate::{
        Answer, AtHand, AtOnce, Channels, ChargedChannels, Ended, Gate, OurAnswer, Passes, Prepared, Said,
        UnprovenRuns, at_once, free_edits, pass_edits, unanswered, usual_pass_edits,
    },
    ledger::{
        self, Budget, BudgetCommand, Command, Identified, IdentifierCommand, IdentifierReply, KeptAnswer, KeptPass,
        Leased, PassCommand, PassReply, PassStore, Payment, Reply as LedgerReply, Slices, Standing,
    },
    passes::{BadKeys, Keys},
    ports::{
        Background, Budgets, Clock, Counter, CounterDown, Fetch, Forward, FreeRequest, HeaderEdits, Journal, Ledger,
        LedgerDown, NoAnswer, Observation, Origin, OriginAnswer, Random, Reply, Request,
    },
    prices::{Decision, Headers, Inquiry, Method, PriceTable, Snapshot},
    settlement::{Clerk, PaymentStore},
    time::UnixTime,
};

/// A vector file.
pub fn vectors(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs a future whose parts are all ready at once, as those of the stand-ins are.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..1000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    unreachable!("the future waits for something that never comes");
}

pub struct FakeRequest {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub client: Client,
}

impl FakeRequest {
    pub fn get(url: &str) -> Self {
        Self::new("GET", url)
    }

    pub fn new(method: &str, url: &str) -> Self {
        Self { method: method.to_owned(), url: url.to_owned(), headers: Vec::new(), client: Client::default() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_lowercase(), value.to_owned()));
        self
    }
}

impl Request for FakeRequest {
    fn method(&self) -> &str {
        &self.method
    }
    fn url(&self) -> &str {
        &self.url
    }
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }
    fn client(&self) -> Client {
        self.client.clone()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeAnswer {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
}

impl OriginAnswer for FakeAnswer {
    fn status(&self) -> u16 {
        self.status
    }
    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| (*value).to_owned())
    }
}

/// Everything outside, with a list of what was asked of it, in order.
pub struct World {
    pub prices: Snapshot,
    pub origin_url: Option<&'static str>,
    pub origin: Result<FakeAnswer, NoAnswer>,
    /// The body of its answer, in pieces, and how it ends: where it is metered, it is read.
    pub body: (Vec<&'static str>, Ended),
    /// Seconds that the origin takes.
    pub origin_takes: u64,
    /// So often it is looked for in vain.
    pub origin_waits: Cell<u32>,
    /// What happens elsewhere while the origin works.
    pub during_origin: Option<Box<dyn Fn(UnixTime)>>,
    pub forwarded: RefCell<Option<Forward>>,
    /// Whether there is a ledger; its rules and its clerk are the real ones.
    pub with_ledger: bool,
    pub ledger_down: Cell<bool>,
    pub ledger_fails_at_settling: Cell<bool>,
    pub roster: Rc<Roster>,
    pub runs: UnprovenRuns,
    pub charged: ChargedChannels,
    pub clerks: RefCell<BTreeMap<String, Rc<Clerk<Memory, Outside, Outside, Outside>>>>,
    pub identified: RefCell<BTreeMap<String, Identified>>,
    /// The secret, or why there is none.
    pub pass_keys: Result<Keys, BadKeys>,
    /// Channel objects by name.
    pub channels: RefCell<BTreeMap<String, Account>>,
    /// What they were told, in order.
    pub channel_calls: RefCell<Vec<channels::Command>>,
    /// Told nothing from this call on, counted down.
    pub channels_down_after: Cell<Option<u32>>,
    /// The receiver's keys, or why there are none.
    pub channel_keys: Result<Vec<Signer>, BadKey>,
    /// Pass objects by name.
    pub pass_objects: RefCell<BTreeMap<String, PassObject>>,
    /// How often a pass object was asked.
    pub pass_calls: RefCell<Vec<PassCommand>>,
    pub outside: Outside,
    /// Free requests taken, by counter and client.
    pub taken: RefCell<BTreeMap<(String, String), u64>>,
    pub counter_down: Cell<bool>,
    pub observed: RefCell<Vec<Observation>>,
}

/// Facilitators, chains and the clock. A clone is the same outside.
#[derive(Clone, Default)]
pub struct Outside(Rc<Shared>);

pub struct Shared {
    /// Milliseconds.
    pub time: Cell<u64>,
    pub supported: RefCell<Result<Reply, NoAnswer>>,
    pub verify: RefCell<Vec<Result<Reply, NoAnswer>>>,
    pub settle: RefCell<Vec<Result<Reply, NoAnswer>>>,
    /// What the chain says, by the method and address or topic that is asked for.
    pub chain: RefCell<Option<Rc<dyn Fn(&Value) -> Value>>>,
    pub calls: RefCell<Vec<String>>,
    pub sent: RefCell<Vec<Value>>,
    pub faults: RefCell<Vec<String>>,
    /// How often chance was asked.
    pub random: Cell<u8>,
    /// Budgets of routes, by object.
    pub budgets: RefCell<BTreeMap<String, Budget>>,
    pub budgets_down: Cell<bool>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            time: Cell::default(),
            supported: RefCell::new(Err(NoAnswer::Connection)),
            verify: RefCell::default(),
            settle: RefCell::default(),
            chain: RefCell::default(),
            calls: RefCell::default(),
            sent: RefCell::default(),
            faults: RefCell::default(),
            random: Cell::default(),
            budgets: RefCell::default(),
            budgets_down: Cell::default(),
        }
    }
}

/// A ledger object's storage.
#[derive(Default)]
pub struct Memory(RefCell<BTreeMap<String, Payment>>, Cell<Standing>, RefCell<Slices>);

impl PaymentStore for Memory {
    type Error = std::convert::Infallible;
    fn load(&self, nonce: &str) -> Result<Option<Payment>, Self::Error> {
        Ok(self.0.borrow().get(nonce).cloned())
    }
    fn save(&self, nonce: &str, payment: &Payment) -> Result<(), Self::Error> {
        self.0.borrow_mut().insert(nonce.to_owned(), payment.clone());
        Ok(())
    }
    fn forget(&self, nonce: &str) -> Result<(), Self::Error> {
        self.0.borrow_mut().remove(nonce);
        Ok(())
    }
    fn due(&self, now: UnixTime) -> Result<Vec<(String, Payment)>, Self::Error> {
        let payments = self.0.borrow();
        let due = payments.iter().filter(|(_, payment)| ledger::wake(payment) <= now.0);
        Ok(due.map(|(nonce, payment)| (nonce.clone(), payment.clone())).collect())
    }
    fn standing(&self) -> Result<Standing, Self::Error> {
        Ok(self.1.get())
    }
    fn keep_standing(&self, standing: &Standing) -> Result<(), Self::Error> {
        self.1.set(*standing);
        Ok(())
    }
    fn slices(&self) -> Result<Slices, Self::Error> {
        Ok(self.2.borrow().clone())
    }
    fn keep_slices(&self, slices: &Slices) -> Result<(), Self::Error> {
        self.2.replace(slices.clone());
        Ok(())
    }
    fn is_full(&self) -> Result<bool, Self::Error> {
        Ok(self.0.borrow().len() >= 100)
    }
}

pub const PRICES: &str = r#"{
    "payTo": "0x5CbDd86a2FA8Dc4bDdd8a8f69dBa48572EeC07FB",
    "network": "eip155:84532",
    "maxTimeoutSeconds": 60,
    "facilitators": ["https://facilitator.example/"],
    "routes": {
        "/premium-data": {"price": "$0.01", "description": "Access to premium market data", "mimeType": "application/json"},
        "GET /dear/*": {"price": "$2.01"}
    }
}"#;

/// Two keys; the second one is older.
pub const PASS_KEYS: &str = r#"{
    "new": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "old": "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"
}"#;

/// A pass object's storage.
#[derive(Default)]
pub struct PassObject {
    pub passes: RefCell<BTreeMap<String, KeptPass>>,
    pub nonces: RefCell<BTreeMap<String, UnixTime>>,
}

impl PassStore for PassObject {
    type Error = std::convert::Infallible;
    fn load(&self, id: &str) -> Result<Option<KeptPass>, Self::Error> {
        Ok(self.passes.borrow().get(id).cloned())
    }
    fn save(&self, id: &str, kept: &KeptPass) -> Result<(), Self::Error> {
        self.passes.borrow_mut().insert(id.to_owned(), kept.clone());
        Ok(())
    }
    fn live(&self, now: UnixTime) -> Result<Vec<KeptPass>, Self::Error> {
        Ok(self.passes.borrow().values().filter(|kept| kept.expires_at > now.0).cloned().collect())
    }
    fn spend(&self, nonce: &str, until: UnixTime) -> Result<bool, Self::Error> {
        Ok(self.nonces.borrow_mut().insert(nonce.to_owned(), until).is_none())
    }
    fn count(&self) -> Result<u64, Self::Error> {
        Ok((self.passes.borrow().len() + self.nonces.borrow().len()) as u64)
    }
}

/// When the vectors' payments are valid.
pub const NOW: u64 = 1_790_000_000;

pub fn reply(status: u16, body: &Value) -> Result<Reply, NoAnswer> {
    Ok(Reply { status, body: body.to_string() })
}

impl World {
    /// Where everything goes well.
    pub fn new() -> Self {
        let settled = json!({"success": true, "transaction": "0xabc", "network": "eip155:84532"});
        let outside = Outside::default();
        outside.time.set(NOW * 1000);
        outside.verify.replace(vec![reply(200, &json!({"isValid": true}))]);
        outside.settle.replace(vec![reply(200, &settled)]);
        Self {
            prices: Snapshot::unread().after_reading(Some(PRICES)),
            origin_url: None,
            origin: Ok(FakeAnswer { status: 200, headers: vec![] }),
            body: (vec![], Ended::Whole),
            origin_takes: 0,
            origin_waits: Cell::new(0),
            during_origin: None,
            forwarded: RefCell::default(),
            with_ledger: true,
            ledger_down: Cell::new(false),
            ledger_fails_at_settling: Cell::new(false),
            roster: Rc::default(),
            runs: UnprovenRuns::default(),
            charged: ChargedChannels::default(),
            clerks: RefCell::default(),
            identified: RefCell::default(),
            pass_keys: Keys::parse(PASS_KEYS),
            channels: RefCell::default(),
            channel_calls: RefCell::default(),
            channels_down_after: Cell::new(None),
            channel_keys: Ok(vec![]),
            pass_objects: RefCell::default(),
            pass_calls: RefCell::default(),
            outside,
            taken: RefCell::default(),
            counter_down: Cell::new(false),
            observed: RefCell::default(),
        }
    }

    /// What the chain says from now on.
    pub fn answer_chain(&self, answer: impl Fn(&Value) -> Value + 'static) {
        self.chain.replace(Some(Rc::new(answer)));
    }

    /// It is so many seconds later.
    pub fn later(&self, seconds: u64) {
        self.outside.time.set(self.outside.time.get() + seconds * 1000);
    }

    /// The alarms of all ledger objects.
    pub fn alarm(&self) {
        let clerks: Vec<_> = self.clerks.borrow().values().cloned().collect();
        for clerk in clerks {
            now(clerk.wake()).unwrap();
        }
    }

    /// The ledger's objects lose their memory and keep their storage.
    pub fn restart(&self) {
        for clerk in self.clerks.borrow_mut().values_mut() {
            let Memory(payments, standing, slices) = clerk.store();
            let kept = Memory(payments.clone(), standing.clone(), slices.clone());
            let outside = || self.outside.clone();
            *clerk = Clerk::new(kept, outside(), outside(), outside(), self.roster.clone());
        }
    }

    /// The gate's answer. Whatever is said at once is held against it.
    #[track_caller]
    pub fn serve(&self, request: &FakeRequest) -> Answer<FakeAnswer> {
        let said = self.at_once(request, &Prepared::default());
        self.forwarded.take();
        let answer = self.serve_after_all(request);
        self.hold(request, said, &answer);
        answer
    }

    /// What is said without waiting.
    pub fn at_once(&self, request: &FakeRequest, prepared: &Prepared) -> Option<Said> {
        let (keys, now) = (self.pass_keys.as_ref().ok(), self.outside.now());
        at_once(request, &AtHand { prices: &self.prices, identifiers: self.with_ledger, prepared, keys, now })
    }

    /// What can be said again is said to whoever differs in nothing but the values of headers without passes, and in who it
    /// is.
    #[track_caller]
    fn hold_for_others(&self, request: &FakeRequest, said: &Said) {
        let client = Client { country: Some("DE".to_owned()), ip: "203.0.113.9".parse().ok(), ..Client::default() };
        let mut values = vec!["", "x", "gold", "DELETE", "3", "a=b; c=d", "__Host-x40-pass=1, Mozilla"];
        if !matches!(said.what, AtOnce::Answer(_)) {
            values.push("text/html Mozilla");
        }
        let has_passes = |(name, value): &(String, String)| name == "x-402-pass" || value.contains("x402-");
        for value in values {
            let changed = |header: &(String, String)| match header {
                header if has_passes(header) => header.clone(),
                (name, _) => (name.clone(), value.to_owned()),
            };
            let headers = request.headers.iter().map(changed).collect();
            let (method, url, client) = (request.method.clone(), request.url.clone(), client.clone());
            let other = FakeRequest { method, url, headers, client };
            let what = format!("{} {} {:?}", other.method, other.url, other.headers);
            assert_eq!(self.at_once(&other, &Prepared::default()).as_ref(), Some(said), "{what}");
        }
    }

    /// What was said at once is what was said after all.
    #[track_caller]
    pub fn hold(&self, request: &FakeRequest, said: Option<Said>, served: &Answer<FakeAnswer>) {
        let what = format!("{} {} {:?}", request.method, request.url, request.headers);
        if let Some(said) = said.as_ref().filter(|said| said.again) {
            self.hold_for_others(request, said);
        }
        let (forward, version) = match said.map(|said| said.what) {
            None => return,
            Some(AtOnce::Answer(answer)) => {
                assert!(matches!(served, Answer::Ours(ours) if *ours == answer), "{what}: {answer:?} {served:?}");
                return;
            }
            Some(AtOnce::Forward(forward)) => {
                assert!(forward.edits.set.is_empty() && !forward.paid, "{what}");
                (forward, None)
            }
            Some(AtOnce::Opened { forward, version, .. }) => {
                assert!(forward.paid, "{what}");
                (forward, Some(version))
            }
        };
        assert_eq!(self.forwarded.borrow().as_ref(), Some(&forward), "{what}");
        let document = version.as_ref().and_then(Option::as_deref);
        match served {
            Answer::Origins { answer, edits, delivery: None } => {
                let said = match version {
                    Some(_) => pass_edits(&self.prices, &request.url, answer, self.origin_url, document),
                    None => free_edits(&self.prices, &request.url, answer, self.origin_url),
                };
                assert_eq!(said, *edits, "{what}");
                if version.is_some() && !(300..400).contains(&answer.status) {
                    let usual = usual_pass_edits(&self.prices, "https://elsewhere.example/", document);
                    let is_usual = |(name, _): &(&str, &str)| !usual.unless.contains(&name.to_lowercase());
                    assert!(
                        !answer.headers.iter().all(is_usual) || usual.set == edits.set,
                        "{what}: {usual:?} {edits:?}"
                    );
                }
            }
            Answer::Ours(ours) => {
                let Err(error) = self.origin else { unreachable!("{what}: {ours:?}") };
                assert_eq!(unanswered(error, document), *ours, "{what}");
            }
            Answer::Kept(_) | Answer::Origins { .. } => unreachable!("{what}: {served:?}"),
        }
    }

    fn serve_after_all(&self, request: &FakeRequest) -> Answer<FakeAnswer> {
        let gate = Gate {
            prices: &self.prices,
            fetch: &self.outside,
            roster: &self.roster,
            runs: &self.runs,
            charged: &self.charged,
            host: &self.outside,
            ledger: self.with_ledger.then_some(self),
            counter: Some(self),
            passes: Passes { keys: self.pass_keys.as_ref().map_err(|error| *error), random: &self.outside },
            channels: Channels { keys: self.channel_keys.as_deref().map_err(|error| *error), kept: true },
            origin_url: self.origin_url,
        };
        now(gate.serve(request, self))
    }

    pub fn ours(&self, request: &FakeRequest) -> OurAnswer {
        match self.serve(request) {
            Answer::Ours(answer) => answer,
            other => unreachable!("the origin answered, or a kept answer: {other:?}"),
        }
    }

    /// The answer that was kept for this payment's identifier.
    pub fn kept(&self, request: &FakeRequest) -> KeptAnswer {
        match self.serve(request) {
            Answer::Kept(answer) => *answer,
            other => unreachable!("{other:?}"),
        }
    }

    pub fn origins(&self, request: &FakeRequest) -> (FakeAnswer, HeaderEdits) {
        match self.serve(request) {
            Answer::Origins { answer, edits, delivery } => {
                // A client that takes all of it.
                if let Some(mut ticket) = delivery {
                    if let Some(mut metering) = ticket.take_metering() {
                        self.body.0.iter().for_each(|piece| metering.meter().take(piece.as_bytes()));
                        now(metering.end(self.body.1, self.outside.now(), &ticket, self)).unwrap();
                    }
                    now(ticket.keep_pass(self)).unwrap();
                    if ticket.keeps_answer() {
                        let answer = KeptAnswer { status: answer.status, headers: vec![], body: "b2s=".to_owned() };
                        now(ticket.keep(self, answer)).unwrap();
                    }
                    let _ = now(ticket.delivered(self, true));
                }
                (answer, edits)
            }
            other => unreachable!("we answered: {other:?}"),
        }
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.borrow().clone()
    }
}

impl Deref for World {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.outside.0
    }
}

impl Deref for Outside {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Fetch for Outside {
    async fn get(&self, url: &str, _within: Duration) -> Result<Reply, NoAnswer> {
        self.calls.borrow_mut().push(url.to_owned());
        self.supported.borrow().clone()
    }

    async fn post_json(&self, url: &str, body: String, _within: Duration) -> Result<Reply, NoAnswer> {
        let body: Value = serde_json::from_str(&body).unwrap();
        if let Value::Array(batch) = &body {
            let chain = self.chain.borrow().clone().expect("nobody names an rpc");
            let answer = |ask: &Value| json!({"jsonrpc": "2.0", "id": ask["id"], "result": chain(ask)});
            return reply(200, &batch.iter().map(answer).collect());
        }
        if body["jsonrpc"] == "2.0" {
            let chain = self.chain.borrow().clone().expect("nobody names an rpc");
            return reply(200, &json!({"jsonrpc": "2.0", "id": 1, "result": chain(&body)}));
        }
        self.calls.borrow_mut().push(url.to_owned());
        self.sent.borrow_mut().push(body);
        let queue = if url.ends_with("/verify") { &self.verify } else { &self.settle };
        let mut queue = queue.borrow_mut();
        if queue.len() > 1 { queue.remove(0) } else { queue[0].clone() }
    }
}

impl Origin for World {
    type Answer = FakeAnswer;
    async fn send(&self, forward: Forward, _within: Duration) -> Result<FakeAnswer, NoAnswer> {
        self.calls.borrow_mut().push(format!("origin {}", forward.path_and_query));
        self.forwarded.replace(Some(forward));
        let mut waits = 0..self.origin_waits.get();
        poll_fn(|_| waits.next().map_or(Poll::Ready(()), |_| Poll::Pending)).await;
        self.later(self.origin_takes);
        if let Some(elsewhere) = &self.during_origin {
            elsewhere(self.outside.now());
        }
        self.origin.clone()
    }
}

impl Ledger for World {
    async fn tell(
        &self,
        object: &str,
        nonce: &str,
        command: Command,
        within: Duration,
    ) -> Result<LedgerReply, LedgerDown> {
        let settling = matches!(command, Command::Settle { .. });
        if self.ledger_down.get() || (settling && self.ledger_fails_at_settling.get()) {
            return Err(LedgerDown);
        }
        let outside = || self.outside.clone();
        let new = || Clerk::new(Memory::default(), outside(), outside(), outside(), self.roster.clone());
        let clerk = self.clerks.borrow_mut().entry(object.to_owned()).or_insert_with(new).clone();
        Ok(clerk.tell(nonce, command, within).await.unwrap())
    }

    async fn identify(&self, object: &str, command: IdentifierCommand) -> Result<IdentifierReply, LedgerDown> {
        if self.ledger_down.get() {
            return Err(LedgerDown);
        }
        let known = self.identified.borrow_mut().remove(object);
        let (known, reply) = ledger::identify(known, command, self.outside.now());
        self.identified.borrow_mut().extend(known.map(|known| (object.to_owned(), known)));
        Ok(reply)
    }

    async fn channel(&self, object: &str, command: channels::Command) -> Result<channels::Reply, LedgerDown> {
        match self.channels_down_after.get() {
            Some(0) => return Err(LedgerDown),
            left => self.channels_down_after.set(left.map(|left| left - 1)),
        }
        self.channel_calls.borrow_mut().push(command.clone());
        let known = self.channels.borrow_mut().remove(object);
        let (known, reply) = channels::apply(known, &Self::channel_id(object), command, self.outside.now());
        // Over the wire and into storage, as in the Worker.
        let known = known.map(|known| serde_json::from_str(&serde_json::to_string(&known).unwrap()).unwrap());
        self.channels.borrow_mut().extend(known.map(|known| (object.to_owned(), known)));
        Ok(serde_json::from_str(&serde_json::to_string(&reply).unwrap()).unwrap())
    }

    async fn passes(&self, object: &str, command: PassCommand) -> Result<PassReply, LedgerDown> {
        if self.ledger_down.get() {
            return Err(LedgerDown);
        }
        self.pass_calls.borrow_mut().push(command.clone());
        let mut objects = self.pass_objects.borrow_mut();
        let store = objects.entry(object.to_owned()).or_default();
        Ok(ledger::apply_to_passes(store, command, self.outside.now()).unwrap())
    }
}

impl Budgets for Outside {
    async fn budget(&self, object: &str, command: BudgetCommand) -> Result<Leased, LedgerDown> {
        if self.budgets_down.get() {
            return Err(LedgerDown);
        }
        let mut budgets = self.budgets.borrow_mut();
        let budget = budgets.remove(object).unwrap_or_default();
        let (budget, leased) = ledger::apply_to_budget(budget, command, self.now());
        budgets.insert(object.to_owned(), budget);
        Ok(leased)
    }
}

impl World {
    /// A channel's id, from its object's name.
    fn channel_id(object: &str) -> [u8; 32] {
        let mut id = [0; 32];
        hex::decode_to_slice(object.rsplit_once("0x").unwrap().1, &mut id).unwrap();
        id
    }
}

impl Random for Outside {
    fn bytes(&self) -> Option<[u8; 16]> {
        let count = self.random.get();
        self.random.set(count.wrapping_add(1));
        Some([count; 16])
    }
}

impl Counter for World {
    async fn take(&self, request: &FreeRequest) -> Result<bool, CounterDown> {
        if self.counter_down.get() {
            return Err(CounterDown);
        }
        let mut taken = self.taken.borrow_mut();
        let all: u64 =
            taken.iter().filter(|((counter, _), _)| *counter == request.counter).map(|(_, count)| count).sum();
        let count = taken.entry((request.counter.clone(), request.client.clone())).or_default();
        if *count >= request.requests || request.total.is_some_and(|total| all >= total) {
            return Ok(false);
        }
        *count += 1;
        Ok(true)
    }
    fn observe(&self, observation: Observation) {
        self.observed.borrow_mut().push(observation);
    }
}

impl Clock for Outside {
    fn millis(&self) -> u64 {
        self.time.get()
    }
}

impl Journal for Outside {
    fn fault(&self, text: &str) {
        self.faults.borrow_mut().push(text.to_owned());
    }
}

impl Background for Outside {
    fn spawn(&self, work: impl Future<Output = ()> + 'static) {
        now(work);
    }
    async fn pause(&self, _time: Duration) {}
}

/// What the table says of a request with nothing but a method and a path.
pub fn decide<'a>(table: &'a PriceTable, method: &str, path: &str) -> Decision<'a> {
    ask(table, method, &format!("https://example.com{path}"), &[], &Client::default())
}

/// What the table says of a request.
pub fn ask<'a>(
    table: &'a PriceTable,
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    client: &Client,
) -> Decision<'a> {
    let rest = url.split_once("://").unwrap().1;
    let (authority, target) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
    let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
    let headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let methods = Method::parse(method).unwrap().readings();
    table.decide(&Inquiry {
        methods: &methods,
        authority,
        path,
        query,
        headers: &headers as &dyn Headers,
        client: &client,
    })
}

/// The value of one of our headers.
pub fn header<'a>(answer: &'a OurAnswer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// The JSON in one of our headers.
pub fn decoded(answer: &OurAnswer, name: &'static str) -> Value {
    let json = x402_edge::transports::http::decode_header(name, header(answer, name).unwrap()).unwrap();
    serde_json::from_slice(&json).unwrap()
}
