//! What is wrong with a price document, told to its owner.

use std::fmt;

/// One problem: where, what was found, what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// JSON pointer (RFC 6901); empty for the document itself.
    pub pointer: String,
    /// What is allowed and what to do. Never quotes the document.
    pub message: String,
    /// What stands there, shortened.
    pub found: Option<String>,
}

/// Quotes from the document are cut after so many characters.
const MAX_FOUND_CHARS: usize = 80;

impl Diagnosis {
    /// A problem at `pointer`.
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into(), found: None }
    }

    /// The same problem, quoting what stands there.
    #[must_use]
    pub fn found(mut self, text: &str) -> Self {
        let mut quote: String = text.chars().take(MAX_FOUND_CHARS).collect();
        if quote.len() < text.len() {
            quote.push('…');
        }
        self.found = Some(quote);
        self
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "document" } else { &self.pointer };
        write!(f, "{pointer}: {}", self.message)?;
        match &self.found {
            Some(found) => write!(f, " (found {found})"),
            None => Ok(()),
        }
    }
}
