//! Server-sent events (HTML standard, "Server-sent events"): the JSON in their `data` lines.

use super::{Tokens, json::UsageFinder};

/// The field that is read; a line of another one passes.
const DATA: &[u8] = b"data:";

/// A stream of events, read piece by piece.
#[derive(Debug, Clone, Default)]
pub(super) struct Events {
    finder: UsageFinder,
    /// How much of [`DATA`] this line has begun with; nothing once it is another line.
    matched: Option<usize>,
    started: bool,
    after_return: bool,
    said: Tokens,
}

impl Events {
    /// Reads on.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
    }

    /// What was said so far; of an event that has not ended too.
    pub(super) fn said(&self) -> Tokens {
        self.said.then(self.finder.found())
    }

    fn step(&mut self, byte: u8) {
        if !self.started {
            (self.started, self.matched) = (true, Some(0));
        }
        // CR, LF and CR LF end a line.
        let second_half = byte == b'\n' && std::mem::replace(&mut self.after_return, byte == b'\r');
        if second_half {
            return;
        }
        if byte != b'\n' {
            self.after_return = byte == b'\r';
        }
        match (byte, self.matched) {
            // An empty line ends the event; what a line end inside one would be in JSON is a blank.
            (b'\n' | b'\r', Some(0)) => self.end_event(),
            (b'\n' | b'\r', _) => self.matched = Some(0),
            (_, Some(matched)) if matched == DATA.len() => self.finder.take(&[byte]),
            (_, Some(matched)) => self.matched = (DATA.get(matched) == Some(&byte)).then_some(matched + 1),
            (_, None) => {}
        }
    }

    fn end_event(&mut self) {
        self.said = self.said.then(self.finder.found());
        self.finder = UsageFinder::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> (Option<u64>, Option<u64>) {
        let mut whole = Events::default();
        whole.take(text.as_bytes());
        for size in [1, 2, 5] {
            let mut cut = Events::default();
            text.as_bytes().chunks(size).for_each(|chunk| cut.take(chunk));
            assert_eq!(cut.said(), whole.said(), "in pieces of {size}");
        }
        (whole.said().input, whole.said().output)
    }

    #[test]
    fn the_last_word_counts() {
        let openai = "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}],\"usage\":null}\n\n\
                      data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12}}\n\ndata: [DONE]\n\n";
        assert_eq!(said(openai), (Some(9), Some(12)));
        let anthropic = "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n\
                         event: message_delta\ndata: {\"usage\":{\"output_tokens\":15}}\n\n\
                         event: message_stop\ndata: {}\n\n";
        assert_eq!(said(anthropic), (Some(25), Some(15)));
        assert_eq!(said(&anthropic.replace('\n', "\r\n")), (Some(25), Some(15)));
        assert_eq!(said(&anthropic.replace('\n', "\r")), (Some(25), Some(15)));
    }

    #[test]
    fn an_event_may_have_several_lines_and_the_last_need_not_end() {
        assert_eq!(said("data: {\"usage\":\ndata: {\"output_tokens\":3}}\n\n"), (None, Some(3)));
        assert_eq!(said("data:{\"usage\":{\"output_tokens\":3}}"), (None, Some(3)));
    }

    #[test]
    fn other_fields_and_broken_events_say_nothing() {
        for text in [
            "event: {\"usage\":{\"output_tokens\":3}}\n\n",
            ": {\"usage\":{\"output_tokens\":3}}\n\n",
            "dat: {\"usage\":{\"output_tokens\":3}}\n\n",
            " data: {\"usage\":{\"output_tokens\":3}}\n\n",
            "data: {\"usage\":\n\ndata: {\"output_tokens\":3}}\n\n",
            "{\"usage\":{\"output_tokens\":3}}",
        ] {
            assert_eq!(said(text), (None, None), "{text}");
        }
    }
}
