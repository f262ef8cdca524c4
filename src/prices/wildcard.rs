//! Texts with `*` for anything, as rules compare them.

/// A text in which `*` stands for any characters, none too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wildcard {
    text: String,
}

impl Wildcard {
    pub(super) const fn new(text: String) -> Self {
        Self { text }
    }

    /// Whether the whole of `text` is covered. Takes time in proportion to the length of `text`, whatever it holds:
    /// each piece is looked for once, from the left.
    pub(super) fn covers(&self, text: &str) -> bool {
        let Some((first, rest)) = self.text.split_once('*') else { return self.text == text };
        let Some(mut left) = text.strip_prefix(first) else { return false };
        let mut pieces = rest.split('*').peekable();
        while let Some(piece) = pieces.next() {
            if pieces.peek().is_none() {
                return left.ends_with(piece);
            }
            match left.find(piece) {
                Some(at) => left = &left[at + piece.len()..],
                None => return false,
            }
        }
        true
    }

    /// The same, letters of both cases being equal.
    pub(super) fn covers_in_any_case(&self, text: &str) -> bool {
        Self::new(self.text.to_lowercase()).covers(&text.to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        let covers = |pattern: &str, text: &str| Wildcard::new(pattern.to_owned()).covers(text);
        for (pattern, text) in [
            ("*", ""),
            ("a", "a"),
            ("*bot*", "Mybot/1"),
            ("a*b*c", "abc"),
            ("a*b*c", "a1b2bc"),
            ("a**b", "ab"),
            ("", ""),
            ("*a*a", "aa"),
        ] {
            assert!(covers(pattern, text), "{pattern} covers {text}");
        }
        for (pattern, text) in [("a", "A"), ("a", ""), ("", "a"), ("a*b", "abc"), ("*a*a", "a"), ("ab*ba", "aba")] {
            assert!(!covers(pattern, text), "{pattern} does not cover {text}");
        }
        assert!(Wildcard::new("*GPTBot*".to_owned()).covers_in_any_case("x gptbot/1.0"));
    }
}
