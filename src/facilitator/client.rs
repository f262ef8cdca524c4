//! Calls to facilitators: one POST, one answer, and what it says of the facilitator's health.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{
    json,
    ports::{Clock, Fetch, Journal, NoAnswer, Reply},
    x402::{FacilitatorRequest, SupportedResponse},
};

use super::Roster;

/// `/supported` is asked in the background, unless nothing can be sold without it.
const SUPPORTED_WITHIN: Duration = Duration::from_secs(10);

/// The way to the facilitators.
#[derive(Debug)]
pub struct Facilitators<'a, F, H> {
    pub(super) fetch: &'a F,
    pub(super) host: &'a H,
    pub(super) roster: &'a Roster,
}

impl<'a, F: Fetch, H: Clock + Journal> Facilitators<'a, F, H> {
    /// Facilitators that are reached by `fetch` and remembered in `roster`.
    pub const fn new(fetch: &'a F, host: &'a H, roster: &'a Roster) -> Self {
        Self { fetch, host, roster }
    }

    /// Learns what the facilitators settle, where that is not known or long ago. Changes nothing else.
    pub async fn learn(&self, urls: &[String]) {
        self.learn_of(self.roster.due(urls, self.host.now())).await;
    }

    /// The same for those of whom nothing is known, although they may have been asked a moment ago: somebody waits for
    /// it. One that did not answer is left in peace for a moment.
    pub async fn learn_now(&self, urls: &[String]) {
        self.learn_of(self.roster.unknown(urls, self.host.now())).await;
    }

    async fn learn_of(&self, urls: Vec<&str>) {
        for url in urls {
            let asked = format!("{url}/supported");
            let reply = self.noted(&asked, self.fetch.get(&asked, SUPPORTED_WITHIN).await);
            match reply.ok().as_ref().and_then(read::<SupportedResponse>) {
                Some(supported) => self.roster.learn(url, supported, self.host.now()),
                None => self.roster.said_nothing(url, self.host.now()),
            }
        }
    }

    /// POSTs to `{facilitator}/{operation}` and reads the answer, whatever its status. Nothing where it is none.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        facilitator: &str,
        operation: &str,
        body: String,
        within: Duration,
    ) -> Result<Option<T>, NoAnswer> {
        let url = format!("{facilitator}/{operation}");
        let reply = self.noted(&url, self.fetch.post_json(&url, body, within).await);
        let answer = reply.map(|reply| read(&reply));
        match &answer {
            Ok(Some(_)) => self.roster.answered(facilitator),
            Ok(None) | Err(_) => self.roster.failed(facilitator, self.host.now()),
        }
        answer
    }

    fn noted(&self, url: &str, reply: Result<Reply, NoAnswer>) -> Result<Reply, NoAnswer> {
        match &reply {
            Err(error) => self.host.fault(&format!("{url}: {error}")),
            Ok(reply) if !(200..300).contains(&reply.status) => {
                self.host.fault(&format!("{url}: status {}", reply.status));
            }
            Ok(_) => {}
        }
        reply
    }
}

/// The x402 answer in a body: facilitators send refusals with 200, 400 and 500 alike.
fn read<T: DeserializeOwned>(reply: &Reply) -> Option<T> {
    json::read(&reply.body).ok()
}

/// The body for a facilitator. Our messages have text keys only, so writing them as JSON cannot fail.
pub(super) fn body_of(request: &FacilitatorRequest<'_>) -> String {
    serde_json::to_string(request).unwrap_or_default()
}
