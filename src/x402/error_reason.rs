//! The codes of `error`, `invalidReason` and `errorReason` (x402 v2 §9): open strings, by experience.

use std::{borrow::Cow, fmt};

/// A machine-readable reason. Ours are constants; a facilitator's is taken only in a safe form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReason(Cow<'static, str>);

impl ErrorReason {
    /// A reason of our own.
    pub const fn ours(code: &'static str) -> Self {
        Self(Cow::Borrowed(code))
    }

    /// A facilitator's reason: 1 to 100 letters, digits, `_`, `-`, `.`; anything else becomes `otherwise`.
    ///
    /// It reaches clients in headers and pages, so free text (a stack trace, say) does not pass.
    pub fn theirs(code: Option<&str>, otherwise: &'static str) -> Self {
        let safe = |code: &&str| {
            (1..=100).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        };
        match code.filter(safe) {
            Some(code) => Self(Cow::Owned(code.to_owned())),
            None => Self::ours(otherwise),
        }
    }

    /// The code itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_facilitators_free_text_does_not_reach_the_client() {
        let reason = |text| ErrorReason::theirs(text, "unexpected_verify_error").as_str().to_owned();
        assert_eq!(reason(Some("insufficient_funds")), "insufficient_funds");
        for text in [None, Some(""), Some("Error: at /srv/app.js:1"), Some("<script>"), Some(&*"a".repeat(101))] {
            assert_eq!(reason(text), "unexpected_verify_error");
        }
    }
}
