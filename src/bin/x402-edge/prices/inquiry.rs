//! A request as the owner describes it, put to the same gate that stands in the Worker.

use std::{
    net::IpAddr,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use x402_edge::{
    channels,
    client::Client,
    facilitator::Roster,
    gate::{self, Channels, ChargedChannels, Gate, Passes, UnprovenRuns},
    ledger::{Command, IdentifierCommand, IdentifierReply, PassCommand, PassReply, Reply as LedgerReply},
    passes::BadKeys,
    ports::{
        Clock, Counter, CounterDown, Fetch, Forward, FreeRequest, Journal, Ledger, LedgerDown, NoAnswer, Observation,
        Origin, OriginAnswer, Random, Reply, Request,
    },
    prices::Snapshot,
};

use crate::failure::Failure;

/// A request without a payment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) client: Client,
}

/// What the Worker does with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It goes on to the origin: nothing is asked.
    Passed,
    /// The gate answers itself.
    Ours { status: u16, detail: String },
}

impl Asked {
    /// Puts the request to the gate. The origin answers 401, as one that wants a payment would; free requests
    /// are used up.
    pub(crate) fn put_to(&self, prices: &Snapshot) -> Result<Answer, Failure> {
        let gate = Gate {
            prices,
            fetch: &Nobody,
            roster: &Roster::default(),
            runs: &UnprovenRuns::default(),
            charged: &ChargedChannels::default(),
            host: &Nobody,
            ledger: None::<&Nobody>,
            counter: None::<&Nobody>,
            passes: Passes { keys: Err(BadKeys::Missing), random: &Nobody },
            channels: Channels::CLOSED,
            origin_url: None,
        };
        let mut future = pin!(gate.serve(self, &Nobody));
        // Nobody waits for anything: it is ready at once.
        let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            return Err(Failure::outside("the gate waits for something that is not here; please report this"));
        };
        Ok(match answer {
            gate::Answer::Origins { .. } | gate::Answer::Kept(_) => Answer::Passed,
            gate::Answer::Ours(answer) => {
                let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
                Answer::Ours { status: answer.status, detail: body["detail"].as_str().unwrap_or_default().to_owned() }
            }
        })
    }
}

impl Request for Asked {
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

/// Whom the gate has outside here.
struct Nobody;

struct Unauthorized;

impl OriginAnswer for Unauthorized {
    fn status(&self) -> u16 {
        401
    }
    fn header(&self, _name: &str) -> Option<String> {
        None
    }
}

impl Origin for Nobody {
    type Answer = Unauthorized;
    async fn send(&self, _forward: Forward, _within: Duration) -> Result<Unauthorized, NoAnswer> {
        Ok(Unauthorized)
    }
}

impl Fetch for Nobody {
    async fn get(&self, _url: &str, _within: Duration) -> Result<Reply, NoAnswer> {
        Err(NoAnswer::Connection)
    }
    async fn post_json(&self, _url: &str, _body: String, _within: Duration) -> Result<Reply, NoAnswer> {
        Err(NoAnswer::Connection)
    }
}

impl Ledger for Nobody {
    async fn tell(
        &self,
        _object: &str,
        _nonce: &str,
        _command: Command,
        _within: Duration,
    ) -> Result<LedgerReply, LedgerDown> {
        Err(LedgerDown)
    }
    async fn identify(&self, _object: &str, _command: IdentifierCommand) -> Result<IdentifierReply, LedgerDown> {
        Err(LedgerDown)
    }
    async fn passes(&self, _object: &str, _command: PassCommand) -> Result<PassReply, LedgerDown> {
        Err(LedgerDown)
    }
    async fn channel(&self, _object: &str, _command: channels::Command) -> Result<channels::Reply, LedgerDown> {
        Err(LedgerDown)
    }
}

impl Random for Nobody {
    fn bytes(&self) -> Option<[u8; 16]> {
        None
    }
}

impl Counter for Nobody {
    async fn take(&self, _request: &FreeRequest) -> Result<bool, CounterDown> {
        Err(CounterDown)
    }
    fn observe(&self, _observation: Observation) {}
}

impl Clock for Nobody {
    fn millis(&self) -> u64 {
        0
    }
}

impl Journal for Nobody {
    fn fault(&self, _text: &str) {}
}

/// What is known of a client, as arguments.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Who {
    /// Country of the client, such as DE.
    #[arg(long, value_name = "CODE")]
    country: Option<String>,
    /// Continent: AF AN AS EU NA OC SA.
    #[arg(long, value_name = "CODE")]
    continent: Option<String>,
    /// Number of the client's network, such as 13335.
    #[arg(long, value_name = "NUMBER")]
    asn: Option<u32>,
    /// Address of the client.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// 1 (a bot) to 99 (a person).
    #[arg(long, value_name = "SCORE", value_parser = clap::value_parser!(u8).range(1..=99))]
    bot_score: Option<u8>,
    /// A bot that is what it says; =false for one that is not.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    verified_bot: Option<bool>,
    /// The header User-Agent.
    #[arg(long, value_name = "TEXT")]
    user_agent: Option<String>,
    /// A header; may be given several times.
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = parse_header)]
    headers: Vec<(String, String)>,
}

impl Who {
    /// Client and headers.
    pub(crate) fn is_asking(&self, method: &str, url: &str) -> Asked {
        let mut headers: Vec<(String, String)> = Vec::new();
        let agent = self.user_agent.as_ref().map(|agent| ("User-Agent".to_owned(), agent.clone()));
        for (name, value) in self.headers.iter().cloned().chain(agent) {
            // Several lines of one name are joined, as the runtime does it.
            match headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
                Some((_, values)) => *values = format!("{values}, {}", value.trim()),
                None => headers.push((name, value.trim().to_owned())),
            }
        }
        let upper = |text: &Option<String>| text.as_ref().map(|text| text.to_ascii_uppercase());
        let client = Client {
            country: upper(&self.country),
            continent: upper(&self.continent),
            asn: self.asn,
            ip: self.ip,
            bot_score: self.bot_score,
            verified_bot: self.verified_bot,
        };
        Asked { method: method.to_owned(), url: url.to_owned(), headers, client }
    }
}

fn parse_header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok((name.to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected \"Name: value\"".to_owned()),
    }
}
