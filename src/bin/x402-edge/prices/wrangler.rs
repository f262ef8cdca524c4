//! Wrangler, driven as its own program. Whatever KV and D1 need (accounts, tokens, local files) is its business.

use std::ffi::OsString;

use super::program;
use crate::failure::Failure;

/// What wrangler answered.
pub(crate) struct Answer {
    pub(crate) stdout: Vec<u8>,
}

/// Why it did not do it.
pub(crate) struct Refused {
    pub(crate) text: String,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let hint = if refused.text.contains("CLOUDFLARE_API_TOKEN") || refused.text.contains("wrangler login") {
            "\nSign in with: npx wrangler login"
        } else if refused.text.contains("KV namespace") {
            "\nRun this where wrangler.toml is, or name it with --config; \
             a namespace that `wrangler deploy` has made is named with --namespace-id"
        } else {
            ""
        };
        Self::outside(format!("wrangler: {}{hint}", refused.text))
    }
}

/// Runs `wrangler` with these arguments to its end.
pub(crate) fn run(arguments: &[OsString]) -> Result<Answer, Refused> {
    let output = program::run("wrangler", arguments, None)
        .map_err(|error| Refused { text: format!("it cannot be started: {error}; install it with: npm ci") })?;
    if output.status.success() {
        return Ok(Answer { stdout: output.stdout });
    }
    let told = format!("{}\n{}", String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    Err(Refused { text: essence(&told) })
}

/// Lines of wrangler's that say nothing of what went wrong.
const DECORATION: [&str; 6] = [
    "───",
    "⛅️",
    "Logs were written to",
    "Resource location:",
    "If you think this is a bug",
    "there is a newer version of Wrangler",
];

/// Behind its message wrangler may print its whole manual.
const MAX_LINES: usize = 4;

/// Wrangler's message without its colours, frames and the name of its log.
fn essence(told: &str) -> String {
    let plain = without_colours(told);
    let lines = plain
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !DECORATION.iter().any(|text| line.contains(text)));
    let text = lines.take(MAX_LINES).collect::<Vec<_>>().join("\n");
    if text.is_empty() { "it failed without a word".to_owned() } else { text.replace("✘ [ERROR] ", "") }
}

fn without_colours(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            // ESC [ digits letter
            chars.by_ref().find(char::is_ascii_alphabetic);
        } else if c == '\n' || !c.is_control() {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrangler_says_is_told_without_its_clothes() {
        let told = "\n ⛅️ wrangler 4.153.0\n────────\n\x1b[31m✘ \x1b[41;31m[\x1b[41;97mERROR\x1b[41;31m]\x1b[0m \
                    \x1b[1mNo KV namespace\x1b[0m\n\n🪵  Logs were written to \"/x.log\"\n";
        assert_eq!(essence(told), "No KV namespace");
        assert_eq!(essence("\n\n"), "it failed without a word");
    }
}
