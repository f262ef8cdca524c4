//! Counts what an answer's body costs.

use crate::money::Amount;

use super::{Rate, events::Events, json::UsageFinder, rate::total};

/// A meter for one answer.
#[derive(Debug, Clone)]
pub struct Meter {
    what: What,
    seen: u64,
}

#[derive(Debug, Clone)]
enum What {
    Bytes(Rate),
    Tokens { input: Rate, output: Rate, reader: Box<Reader> },
}

#[derive(Debug, Clone)]
enum Reader {
    Json(UsageFinder),
    Events(Events),
}

impl Meter {
    /// Counts the bytes that are sent.
    pub const fn bytes(rate: Rate) -> Self {
        Self { what: What::Bytes(rate), seen: 0 }
    }

    /// Reads the `usage` of a language model's answer: of one JSON text, or of a stream of events. Both rates are for
    /// the same number of tokens.
    pub fn tokens(input: Rate, output: Rate, is_event_stream: bool) -> Self {
        let reader =
            if is_event_stream { Reader::Events(Events::default()) } else { Reader::Json(UsageFinder::default()) };
        Self { what: What::Tokens { input, output, reader: Box::new(reader) }, seen: 0 }
    }

    /// Whether it has to see the bytes, and not only their number.
    pub const fn reads(&self) -> bool {
        matches!(self.what, What::Tokens { .. })
    }

    /// So many bytes more have come.
    pub const fn count(&mut self, bytes: u64) {
        self.seen = self.seen.saturating_add(bytes);
    }

    /// These have.
    pub fn take(&mut self, bytes: &[u8]) {
        if let What::Tokens { reader, .. } = &mut self.what {
            match &mut **reader {
                Reader::Json(finder) => finder.take(bytes),
                Reader::Events(events) => events.take(bytes),
            }
        }
        self.count(bytes.len() as u64);
    }

    /// What all of it costs. Nothing where the answer does not say what was used, or only half of it.
    pub fn cost(&self) -> Option<Amount> {
        match &self.what {
            What::Bytes(rate) => total(&[(self.seen, *rate)]),
            What::Tokens { input, output, reader } => {
                let said = match &**reader {
                    Reader::Json(finder) => finder.found(),
                    Reader::Events(events) => events.said(),
                };
                total(&[(said.input?, *input), (said.output?, *output)])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(units: u64, per: u64) -> Rate {
        Rate { price: Amount::new(units.into()), per }
    }

    fn cost(mut meter: Meter, body: &str) -> Option<String> {
        meter.take(body.as_bytes());
        meter.cost().map(|cost| cost.to_string())
    }

    #[test]
    fn bytes_are_counted_whether_they_are_seen_or_not() {
        let mut meter = Meter::bytes(rate(100, 1000));
        meter.count(1_500);
        assert_eq!(cost(meter, "hello").as_deref(), Some("151"));
        assert_eq!(cost(Meter::bytes(rate(100, 1000)), "").as_deref(), Some("0"));
    }

    #[test]
    fn tokens_cost_what_they_cost_and_half_a_word_is_none() {
        let meter = || Meter::tokens(rate(3_000_000, 1_000_000), rate(15_000_000, 1_000_000), false);
        assert_eq!(cost(meter(), r#"{"usage":{"input_tokens":1000,"output_tokens":100}}"#).as_deref(), Some("4500"));
        assert_eq!(cost(meter(), r#"{"usage":{"output_tokens":100}}"#), None);
        assert_eq!(cost(meter(), "{}"), None);
    }
}
