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
const INPUT_APART: [&str; 2] = ["cache_creation_input_tokens", "cache_read_input_tokens"];
const OUTPUT: [&str; 3] = ["output_tokens", "completion_tokens", "candidatesTokenCount"];
const OUTPUT_APART: [&str; 2] = ["thoughtsTokenCount", "toolUsePromptTokenCount"];

impl Tokens {
    /// Reads a `usage` object. What is no whole number is not said. What an API counts apart is added: Anthropic's cached
    /// input, Gemini's thoughts and tools; `OpenAI`'s numbers have it all in them.
    pub(super) fn read(usage: &Value) -> Self {
        let number = |name: &&str| usage.get(*name)?.as_u64();
        let sum = |names: [&str; 3], apart: [&str; 2]| {
            let first = names.iter().find_map(number)?;
            Some(apart.iter().filter_map(number).fold(first, u64::saturating_add))
        };
        Self { input: sum(INPUT, INPUT_APART), output: sum(OUTPUT, OUTPUT_APART) }
    }

    /// A later word counts, and leaves the rest: some streams tell the two apart.
    pub(super) fn then(self, later: Self) -> Self {
        Self { input: later.input.or(self.input), output: later.output.or(self.output) }
    }
}
