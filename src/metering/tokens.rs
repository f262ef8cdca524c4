//! The `usage` of a language model's answer.

use serde_json::Value;

/// How many tokens went in and came out, as far as it was said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Of the request.
    pub input: Option<u64>,
    /// Of the answer.
    pub output: Option<u64>,
}

/// By the names of the APIs in use: `OpenAI`'s chat completions, its responses and Anthropic's messages, Gemini.
const INPUT: [&str; 3] = ["input_tokens", "prompt_tokens", "promptTokenCount"];
const OUTPUT: [&str; 3] = ["output_tokens", "completion_tokens", "candidatesTokenCount"];

impl Tokens {
    /// Reads a `usage` object. What is no whole number is not said.
    pub(super) fn read(usage: &Value) -> Self {
        let first = |names: [&str; 3]| names.iter().find_map(|name| usage.get(name)?.as_u64());
        Self { input: first(INPUT), output: first(OUTPUT) }
    }

    /// A later word counts, and leaves the rest: some streams tell the two apart.
    pub(super) fn then(self, later: Self) -> Self {
        Self { input: later.input.or(self.input), output: later.output.or(self.output) }
    }
}
