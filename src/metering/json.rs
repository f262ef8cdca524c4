//! Finds `usage` in JSON as it passes, and keeps nothing else.

use serde_json::Value;

use super::Tokens;

/// A longer `usage` is none.
const MAX_USAGE_BYTES: usize = 4096;

/// A longer key is none that is looked for.
const MAX_KEY_BYTES: usize = 16;

/// Objects whose `usage` counts too: `message` of Anthropic's first event, `response` of `OpenAI`'s last.
const AROUND: [&str; 2] = ["message", "response"];

/// Where `usage` may stand: Gemini has its own name for it.
const USAGE: [&str; 2] = ["usage", "usageMetadata"];

/// Where in a string, if in one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// After a backslash.
    Escaped,
}

/// One JSON text, read piece by piece. What is no JSON says nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct UsageFinder {
    depth: usize,
    /// Whether the next string at this place is a key.
    expects_key: bool,
    string: Text,
    /// The string that is being read, if it may be a key that is looked for.
    key: Vec<u8>,
    /// The key whose value comes next; its bytes.
    last_key: Vec<u8>,
    /// Whether the object at depth 2 is one of [`AROUND`].
    inside_known: bool,
    /// The bytes of the `usage` that is being read, and the depth at which it began.
    capturing: Option<(usize, Vec<u8>)>,
    found: Tokens,
}

impl UsageFinder {
    /// Reads on.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
    }

    /// What was said so far.
    pub(super) const fn found(&self) -> Tokens {
        self.found
    }

    fn step(&mut self, byte: u8) {
        if let Some((_, captured)) = &mut self.capturing {
            captured.push(byte);
            if captured.len() > MAX_USAGE_BYTES {
                self.capturing = None;
            }
        }
        if self.string != Text::Outside {
            return self.step_in_string(byte);
        }
        match byte {
            b'"' => {
                self.string = Text::Inside;
                self.key.clear();
            }
            b'{' | b'[' => self.enter(byte == b'{'),
            b'}' | b']' => self.leave(),
            b':' => {
                self.expects_key = false;
                self.last_key.clone_from(&self.key);
            }
            // In a list no key comes; a string there is compared for nothing.
            b',' => {
                self.expects_key = true;
                self.last_key.clear();
            }
            _ => {}
        }
    }

    fn step_in_string(&mut self, byte: u8) {
        self.string = match (self.string, byte) {
            (Text::Inside, b'\\') => Text::Escaped,
            (Text::Inside, b'"') => Text::Outside,
            _ => Text::Inside,
        };
        if self.string == Text::Outside {
            return;
        }
        if self.expects_key && self.key.len() <= MAX_KEY_BYTES {
            self.key.push(byte);
        }
    }

    fn enter(&mut self, is_object: bool) {
        let is = |names: &[&str]| names.iter().any(|name| name.as_bytes() == self.last_key);
        let wanted = is_object && is(&USAGE) && (self.depth == 1 || self.depth == 2 && self.inside_known);
        if self.depth == 1 {
            self.inside_known = is_object && is(&AROUND);
        }
        if wanted && self.capturing.is_none() {
            self.capturing = Some((self.depth, vec![b'{']));
        }
        self.depth = self.depth.saturating_add(1);
        self.expects_key = is_object;
        self.last_key.clear();
        self.key.clear();
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.expects_key = false;
        self.last_key.clear();
        let ended = self.capturing.as_ref().is_some_and(|(depth, _)| *depth == self.depth);
        if let Some((_, captured)) = self.capturing.take_if(|_| ended)
            && let Ok(text) = std::str::from_utf8(&captured)
            && let Ok(usage) = serde_json::from_str::<Value>(text)
        {
            self.found = self.found.then(Tokens::read(&usage));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> (Option<u64>, Option<u64>) {
        let mut whole = UsageFinder::default();
        whole.take(text.as_bytes());
        // However it is cut.
        for size in [1, 2, 3, 7] {
            let mut cut = UsageFinder::default();
            text.as_bytes().chunks(size).for_each(|chunk| cut.take(chunk));
            assert_eq!(cut.found(), whole.found(), "in pieces of {size}");
        }
        (whole.found().input, whole.found().output)
    }

    #[test]
    fn usage_is_found_where_the_apis_have_it() {
        let both = (Some(12), Some(34));
        for text in [
            r#"{"id":"x","choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":12,"completion_tokens":34,"total_tokens":46}}"#,
            r#"{"usage":{"input_tokens":12,"output_tokens":34,"output_tokens_details":{"reasoning_tokens":5}},"output":[]}"#,
            r#"{"type":"message_start","message":{"id":"m","usage":{"input_tokens":12,"output_tokens":34}}}"#,
            r#"{"type":"response.completed","response":{"usage":{"input_tokens":12,"output_tokens":34}}}"#,
            r#"{"usageMetadata":{"promptTokenCount":12,"candidatesTokenCount":34}}"#,
            " {\r\n\t\"usage\" : { \"input_tokens\" : 12 , \"output_tokens\" : 34 } } ",
        ] {
            assert_eq!(found(text), both, "{text}");
        }
    }

    #[test]
    fn what_a_model_writes_is_not_its_usage() {
        for text in [
            r#"{"content":"\"usage\":{\"input_tokens\":0,\"output_tokens\":0}"}"#,
            r#"{"content":"{\"usage\":{\"output_tokens\":0}}"}"#,
            r#"{"choices":[{"usage":{"output_tokens":0}}]}"#,
            r#"{"tool":{"usage":{"output_tokens":0}}}"#,
            r#"{"tool":{"message":{"usage":{"output_tokens":0}}}}"#,
            r#"{"message":[{"usage":{"output_tokens":0}}]}"#,
            r#"{"content":"usage","other":{"output_tokens":0}}"#,
            r#"["usage",{"output_tokens":0}]"#,
            r#"{"list":["usage",{"output_tokens":0}]}"#,
            r#"{"usage":"lots","output_tokens":0}"#,
            r#"{"usage":[{"output_tokens":0}]}"#,
            r#"{"usage":{"output_tokens":-1}}"#,
            r#"{"usage":{"output_tokens":"7"}}"#,
            r#"{"usage":{"output_tokens":1.5}}"#,
            r#"{"usage":{"output_tokens":7"#,
            "",
        ] {
            assert_eq!(found(text), (None, None), "{text}");
        }
    }

    #[test]
    fn a_usage_without_end_takes_no_room() {
        let mut finder = UsageFinder::default();
        finder.take(br#"{"usage":{"x":""#);
        finder.take(&vec![b'a'; 1_000_000]);
        assert!(finder.capturing.is_none() && finder.key.len() <= MAX_KEY_BYTES + 1);
        finder.take(br#"","output_tokens":7}}"#);
        assert_eq!(finder.found(), Tokens::default());
    }
}
