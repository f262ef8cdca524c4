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

/// The value, or its problem noted.
pub(super) fn keep<T>(result: Result<T, Diagnosis>, problems: &mut Vec<Diagnosis>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

/// Longer words are nobody's typing mistake for one of ours.
const MAX_WORD_BYTES: usize = 32;

/// The word among `allowed` that was probably meant: the same in another case, or at most two slips away.
pub(super) fn meant<'a>(word: &str, allowed: &[&'a str]) -> Option<&'a str> {
    if word.len() > MAX_WORD_BYTES {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let slips = |known: &str| distance(word.as_bytes(), known.to_ascii_lowercase().as_bytes());
    let nearest = allowed.iter().map(|known| (slips(known), *known)).min()?;
    let few = if nearest.1.len() <= 4 { 1 } else { 2 };
    (nearest.0 <= few).then_some(nearest.1)
}

/// Bytes to insert, remove or replace, and neighbours to swap, to make one of the other.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut two_above: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut fewest = (above[j] + usize::from(x != y)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x {
                fewest = fewest.min(two_above[j - 1] + 1);
            }
            row.push(fewest);
        }
        two_above = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_known_and_other_words_are_not() {
        let allowed = ["price", "payTo", "free", "network"];
        for (word, expected) in [
            ("Price", "price"),
            ("pirce", "price"),
            ("prices", "price"),
            ("payto", "payTo"),
            ("netwrok", "network"),
            ("fre", "free"),
        ] {
            assert_eq!(meant(word, &allowed), Some(expected), "{word}");
        }
        for word in ["", "cost", "three", &"price".repeat(9)] {
            assert_eq!(meant(word, &allowed), None, "{word}");
        }
    }
}
