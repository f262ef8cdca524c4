//! Which paths a route key covers: literals, `:param` or `[param]`, and `*`.

use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
};

use super::readings::fold;

/// A route key's path. Equal patterns cover the same paths, whatever their parameters are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    tokens: Vec<Token>,
    ranks: Vec<Rank>,
}

impl Hash for Pattern {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The ranks follow from them.
        self.tokens.hash(state);
    }
}

/// A piece of a pattern. The slash before each segment is a text of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Token {
    /// This text.
    Text(String),
    /// `:param`: one or more characters of one segment.
    Param,
    /// `*`: any characters, slashes too, as in the official SDK.
    Star,
    /// `/*` at the end: nothing, or a slash and anything.
    Rest,
}

/// How specific a segment is; greater is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Rank {
    Star,
    /// No segment any more: `/premium` says more than `/premium/*`, less than `/premium/:part`.
    End,
    Param,
    /// Text and wildcards, such as `*.pdf`: the more bytes of text, the more specific.
    Mixed(usize),
    Literal,
}

/// Why a text is not a path pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Neither `/…` nor `*`.
    #[error("a path begins with \"/\", or is \"*\" for every path")]
    Start,
    /// Query or fragment.
    #[error("a path pattern ends before \"?\" and \"#\"; price the path, not its query")]
    Query,
    /// Something that servers read differently.
    #[error(
        "write the path plainly: no \"%\", \"\\\", \";\", \"//\", \".\" or \"..\" segments, blanks at an end or control characters (\"é\", not \"%C3%A9\")"
    )]
    NotPlain,
    /// Nobody means this.
    #[error("a path pattern has at most {MAX_PATTERN_BYTES} bytes in {MAX_SEGMENTS} segments")]
    TooLong,
}

/// Bounds what one pattern can cost.
const MAX_PATTERN_BYTES: usize = 2048;
const MAX_SEGMENTS: usize = 64;

impl Pattern {
    /// Reads a pattern; with `fold_case` it matches readings that were folded likewise.
    pub fn parse(text: &str, fold_case: bool) -> Result<Self, PatternError> {
        let path = match text {
            "*" => "/*",
            _ if text.starts_with('/') => text,
            _ => return Err(PatternError::Start),
        };
        if path.contains(['?', '#']) {
            return Err(PatternError::Query);
        }
        let path = without_last_slash(path);
        let mut pattern = Self { tokens: Vec::new(), ranks: Vec::new() };
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        if text.len() > MAX_PATTERN_BYTES || segments.len() > MAX_SEGMENTS {
            return Err(PatternError::TooLong);
        }
        for (index, segment) in segments.iter().enumerate() {
            let odd = |c: char| c.is_control() || "%\\;".contains(c);
            if segment.is_empty() || segment.ends_with('.') || segment.trim() != *segment || segment.contains(odd) {
                return Err(PatternError::NotPlain);
            }
            let mut tokens = tokens(segment);
            pattern.ranks.push(rank(&tokens));
            if index + 1 == segments.len() && tokens == [Token::Star] {
                tokens = vec![Token::Rest];
            } else {
                pattern.tokens.push(Token::Text("/".to_owned()));
            }
            pattern.tokens.extend(tokens);
        }
        pattern.ranks.push(Rank::End);
        if fold_case {
            for token in &mut pattern.tokens {
                if let Token::Text(text) = token {
                    *text = fold(text);
                }
            }
        }
        Ok(pattern)
    }

    /// Whether a reading of a request's path is covered. A slash at its end means nothing.
    ///
    /// Takes time in proportion to the lengths of both, whatever the path.
    pub fn matches(&self, reading: &str) -> bool {
        covers(&self.tokens, without_last_slash(reading).as_bytes())
    }

    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    pub(super) fn ranks(&self) -> &[Rank] {
        &self.ranks
    }

    /// Greater is more specific: segment by segment, literal over mixed over parameter over `*`.
    pub fn specificity(&self, other: &Self) -> Ordering {
        self.ranks.cmp(&other.ranks)
    }
}

/// Whether the tokens cover all of `path`. Takes time in proportion to the lengths of both, whatever the path.
pub(super) fn covers(tokens: &[Token], path: &[u8]) -> bool {
    // reached[n]: the tokens so far can cover the first n bytes
    let mut reached = vec![false; path.len() + 1];
    reached[0] = true;
    for token in tokens {
        reached = token.advance(path, &reached);
        if !reached.contains(&true) {
            return false;
        }
    }
    reached.last().copied().unwrap_or(false)
}

/// Of two readings that differ only in the slash at their end, the one without.
pub(super) fn without_last_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

fn tokens(segment: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = segment;
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '*' => (Some(Token::Star), 1),
            ':' => match rest[1..].bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count() {
                0 => (None, 1),
                name => (Some(Token::Param), 1 + name),
            },
            '[' => match rest.find(']') {
                Some(end) if end > 1 => (Some(Token::Param), end + 1),
                _ => (None, 1),
            },
            _ => (None, first.len_utf8()),
        };
        let (text_here, after) = rest.split_at(length);
        rest = after;
        match (token, tokens.last_mut()) {
            (Some(token), _) => tokens.push(token),
            (None, Some(Token::Text(text))) => text.push_str(text_here),
            (None, _) => tokens.push(Token::Text(text_here.to_owned())),
        }
    }
    tokens
}

fn rank(tokens: &[Token]) -> Rank {
    match tokens {
        [Token::Text(_)] => Rank::Literal,
        [Token::Param] => Rank::Param,
        [Token::Star] => Rank::Star,
        _ => Rank::Mixed(tokens.iter().map(|token| if let Token::Text(text) = token { text.len() } else { 0 }).sum()),
    }
}

impl Token {
    /// Where a cover of `path` can end after this token, given where it can begin.
    fn advance(&self, path: &[u8], begins: &[bool]) -> Vec<bool> {
        let mut ends = vec![false; begins.len()];
        let mut open = false;
        for at in 0..begins.len() {
            match self {
                Self::Text(text) => {
                    let text = text.as_bytes();
                    if begins[at] && path[at..].starts_with(text) {
                        ends[at + text.len()] = true;
                    }
                }
                Self::Star => {
                    open |= begins[at];
                    ends[at] = open;
                }
                Self::Param => {
                    let slash = at > 0 && path[at - 1] == b'/';
                    ends[at] = open && !slash;
                    open = begins[at] || ends[at];
                }
                Self::Rest => {
                    let covers_rest = begins[at] && (at == path.len() || path[at] == b'/');
                    ends[path.len()] |= covers_rest;
                }
            }
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str) -> bool {
        Pattern::parse(pattern, true).unwrap().matches(&fold(path))
    }

    #[test]
    fn patterns_cover_what_the_official_sdk_says_they_cover() {
        for (pattern, paths) in [
            ("/premium/*", &["/premium", "/premium/", "/premium/a", "/premium/a/b", "/PREMIUM/A"][..]),
            ("/articles/:slug", &["/articles/x", "/articles/x/"]),
            ("/articles/[slug]", &["/articles/x"]),
            ("/a/*/z", &["/a/b/z", "/a/b/c/z"]),
            ("/files/*.pdf", &["/files/a.pdf", "/files/a/b.PDF", "/files/.pdf"]),
            ("/v:major/x", &["/v1/x", "/v2.1/x"]),
            ("*", &["/", "/a", "/a/b"]),
            ("/", &["/"]),
            ("/Straße/É", &["/straße/é", "/STRASSE/É"]),
        ] {
            for path in paths {
                assert!(matches(pattern, path), "{pattern} must cover {path}");
            }
        }
    }

    #[test]
    fn patterns_cover_nothing_else() {
        for (pattern, paths) in [
            ("/premium/*", &["/", "/premiumx", "/a/premium/x"][..]),
            ("/articles/:slug", &["/articles", "/articles/", "/articles/x/y"]),
            ("/a/*/z", &["/a/z", "/a/b/z/c", "/a/b"]),
            ("/files/*.pdf", &["/files/a.pdfx", "/files"]),
            ("/v:major/x", &["/v/x", "/v1/2/x"]),
            ("/", &["/a"]),
        ] {
            for path in paths {
                assert!(!matches(pattern, path), "{pattern} must not cover {path}");
            }
        }
    }

    #[test]
    fn a_hostile_path_cannot_make_a_pattern_slow() {
        // A matcher that tries and goes back would need about 10^16 steps for this one.
        assert!(!matches("/*a*b*a*b*c", &format!("/{}", "ab".repeat(8_000))));
    }

    #[test]
    fn the_most_specific_pattern_is_known_without_an_order() {
        let sorted = ["/a/b", "/a/report-*", "/a/r*", "/a/:x", "/a", "/a/*/c", "/a/*", "/:x/b", "/:x", "/*/z", "*"];
        for pair in sorted.windows(2) {
            let [more, less] = [pair[0], pair[1]].map(|text| Pattern::parse(text, true).unwrap());
            assert_eq!(more.specificity(&less), Ordering::Greater, "{} over {}", pair[0], pair[1]);
            assert_eq!(less.specificity(&more), Ordering::Less, "{} under {}", pair[1], pair[0]);
        }
        let same = Pattern::parse("/a/[id]", true).unwrap();
        assert_eq!(Pattern::parse("/A/:slug/", true), Ok(same));
    }

    #[test]
    fn what_a_server_could_read_otherwise_is_no_pattern() {
        for text in ["/a%20b", "/a//b", "/a/../b", "/a/.", "/a;b", "/a\\b", "/a /b", "/a\u{0}"] {
            assert_eq!(Pattern::parse(text, true), Err(PatternError::NotPlain), "{text}");
        }
        assert_eq!(Pattern::parse("a", true), Err(PatternError::Start));
        assert_eq!(Pattern::parse("/a?b", true), Err(PatternError::Query));
    }
}
