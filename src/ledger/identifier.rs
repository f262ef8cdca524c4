//! A payment identifier's life: bound to one payment for one request, then to its answer.
//!
//! Extension `payment-identifier`. One object per host and identifier.

use serde::{Deserialize, Serialize};

use crate::time::UnixTime;

/// What an identifier is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identified {
    /// A hash of the payment and of the request it was presented for.
    pub fingerprint: String,
    /// The answer that was given, once it has been, if it was not too long to keep.
    pub answer: Option<KeptAnswer>,
    /// When it may be forgotten; Unix seconds.
    pub keep_until: u64,
}

/// An answer as the client got it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body, base64.
    pub body: String,
}

/// Longer bodies are not kept: the client is told that it has been paid and served.
pub const MAX_KEPT_BODY_BYTES: usize = 256 * 1024;

/// What the ledger is told of an identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdentifierCommand {
    /// This payment comes under it. It is bound to it if it is free.
    Bind {
        /// As in [`Identified`].
        fingerprint: String,
        /// As in [`Identified`].
        keep_until: u64,
    },
    /// The same for a payment that counts only if it is known: nothing is bound.
    Look {
        /// As in [`Identified`].
        fingerprint: String,
    },
    /// The payment's answer.
    Keep {
        /// As in [`Identified`].
        fingerprint: String,
        /// As the client got it.
        answer: Box<KeptAnswer>,
    },
    /// Nothing was charged: another payment may come under it.
    Free {
        /// As in [`Identified`].
        fingerprint: String,
    },
}

/// What it is bound to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdentifierReply {
    /// To nothing, or to this payment, whose answer is not there (yet).
    Yours,
    /// To this payment, which got this answer.
    Answered(Box<KeptAnswer>),
    /// To another payment or another request.
    Taken,
}

/// Applies a command; returns what is known then. A payment that has got its answer keeps its identifier.
pub fn identify(
    known: Option<Identified>,
    command: IdentifierCommand,
    now: UnixTime,
) -> (Option<Identified>, IdentifierReply) {
    let known = known.filter(|known| known.keep_until > now.0);
    let (IdentifierCommand::Bind { fingerprint, .. }
    | IdentifierCommand::Look { fingerprint }
    | IdentifierCommand::Keep { fingerprint, .. }
    | IdentifierCommand::Free { fingerprint }) = &command;
    let reply = match &known {
        Some(known) if known.fingerprint != *fingerprint => return (Some(known.clone()), IdentifierReply::Taken),
        Some(Identified { answer: Some(answer), .. }) => {
            let reply = IdentifierReply::Answered(Box::new(answer.clone()));
            return (known, reply);
        }
        _ => IdentifierReply::Yours,
    };
    let known = match (command, known) {
        (IdentifierCommand::Bind { fingerprint, keep_until }, None) => {
            Some(Identified { fingerprint, answer: None, keep_until })
        }
        (IdentifierCommand::Keep { answer, .. }, Some(known)) => Some(Identified { answer: Some(*answer), ..known }),
        (IdentifierCommand::Free { .. }, _) => None,
        (_, known) => known,
    };
    (known, reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime(1000);

    fn bind(fingerprint: &str) -> IdentifierCommand {
        IdentifierCommand::Bind { fingerprint: fingerprint.to_owned(), keep_until: 2000 }
    }

    fn told(commands: &[IdentifierCommand]) -> IdentifierReply {
        let mut known = None;
        let mut reply = IdentifierReply::Yours;
        for command in commands {
            (known, reply) = identify(known, command.clone(), NOW);
        }
        reply
    }

    #[test]
    fn an_identifier_belongs_to_its_first_payment_until_that_is_known_to_have_cost_nothing() {
        assert_eq!(told(&[bind("a")]), IdentifierReply::Yours);
        assert_eq!(told(&[bind("a"), bind("a")]), IdentifierReply::Yours);
        assert_eq!(told(&[bind("a"), bind("b")]), IdentifierReply::Taken);
        let free = |fingerprint: &str| IdentifierCommand::Free { fingerprint: fingerprint.to_owned() };
        assert_eq!(told(&[bind("a"), free("b"), bind("b")]), IdentifierReply::Taken);
        assert_eq!(told(&[bind("a"), free("a"), bind("b")]), IdentifierReply::Yours);
        let look = IdentifierCommand::Look { fingerprint: "a".to_owned() };
        assert_eq!(told(&[look, bind("b")]), IdentifierReply::Yours);
    }

    #[test]
    fn the_same_payment_gets_the_same_answer_and_no_other() {
        let answer = KeptAnswer { status: 200, headers: vec![], body: "b2s=".to_owned() };
        let keep = |body: &str| IdentifierCommand::Keep {
            fingerprint: "a".to_owned(),
            answer: Box::new(KeptAnswer { body: body.to_owned(), ..answer.clone() }),
        };
        let answered = IdentifierReply::Answered(Box::new(answer.clone()));
        assert_eq!(told(&[bind("a"), keep("b2s="), bind("a")]), answered);
        assert_eq!(told(&[bind("a"), keep("b2s="), keep("bm8="), bind("a")]), answered);
        let free = IdentifierCommand::Free { fingerprint: "a".to_owned() };
        assert_eq!(told(&[bind("a"), keep("b2s="), free, bind("a")]), answered);
        assert_eq!(told(&[bind("a"), keep("b2s="), bind("b")]), IdentifierReply::Taken);
    }

    #[test]
    fn what_may_be_forgotten_binds_nothing() {
        let known = Identified { fingerprint: "a".to_owned(), answer: None, keep_until: 1000 };
        assert_eq!(identify(Some(known), bind("b"), NOW).1, IdentifierReply::Yours);
    }
}
