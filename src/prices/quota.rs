//! Requests that are free each day.

use super::{Diagnosis, diagnosis::keep, json::Node};

const KEYS: [&str; 3] = ["requests", "per", "total"];

/// Each client's count is a row; more than a million a day is no trial any more.
const MAX_REQUESTS: u64 = 1_000_000;

/// How many requests of a route are free each day (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// For each client.
    pub requests: u64,
    /// Who is a client.
    pub per: Per,
    /// For all clients together.
    pub total: Option<u64>,
}

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Those of one IPv4 address, or of one IPv6 /64.
    Ip,
    /// The same, of verified bots only: all others have no free requests.
    VerifiedBot,
    /// Those of one payer, who shows a pass of this host: all others have no free requests.
    Payer,
}

impl Per {
    /// The word in the document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::VerifiedBot => "verifiedBot",
            Self::Payer => "payer",
        }
    }
}

impl Quota {
    pub(super) fn read(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Option<Self> {
        let members = node.members(&KEYS, problems)?;
        if !members.has("requests") {
            problems.push(Diagnosis::new(
                &node.pointer,
                "requests is missing: how many are free each day, such as {\"requests\": 10, \"per\": \"ip\"}",
            ));
        }
        let requests = members.read("requests", read_count, problems);
        let per = members.get("per").map(|node| keep(node.word(&["ip", "verifiedBot", "payer"]), problems));
        let total = members.get("total").map(|node| keep(read_count(node), problems));
        let (requests, total) = (requests?, total.map_or(Some(None), |total| total.map(Some))?);
        if total.is_some_and(|total| total < requests) {
            problems.push(node.problem("total is for all clients together: it cannot be less than requests"));
            return None;
        }
        let per = match per {
            None | Some(Some("ip")) => Per::Ip,
            Some(Some("payer")) => Per::Payer,
            Some(Some(_)) => Per::VerifiedBot,
            Some(None) => return None,
        };
        Some(Self { requests, per, total })
    }
}

fn read_count(node: &Node<'_>) -> Result<u64, Diagnosis> {
    let count = node.number().and_then(|text| text.parse().ok());
    count
        .filter(|count| (1..=MAX_REQUESTS).contains(count))
        .ok_or_else(|| node.problem(format!("expected a whole number, 1 to {MAX_REQUESTS}")))
}
