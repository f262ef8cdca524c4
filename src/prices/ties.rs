//! Routes of which none is more specific than the other: a request that both cover would have two prices.

use std::collections::HashSet;

use super::{
    Diagnosis, Method, Pattern, Route,
    fnv::FnvMap,
    pattern::{Rank, Token},
    trie::first_segment,
};

/// Places in pairs of patterns that are looked at.
const MAX_STEPS: usize = 1_000_000;

/// Pairs of one group that are looked at.
const MAX_PAIRS: usize = 20_000;

/// Patterns that may tie: equally specific, for the same method, with the same plain beginning.
type Group<'a> = (&'a [Rank], Option<&'a Method>, Vec<&'a [Token]>);

/// Tells the routes of one site that cover the same requests, or some same request with equal right.
pub(super) fn find_ties(routes: &[Route], problems: &mut Vec<Diagnosis>) {
    let mut known: FnvMap<(&Pattern, Option<&Method>), &Route> = FnvMap::default();
    let mut groups: FnvMap<Group<'_>, Vec<&Route>> = FnvMap::default();
    for route in routes {
        let key = (&route.pattern, route.method.as_ref());
        if let Some(other) = known.insert(key, route) {
            let message = format!("covers the same requests as {}; keep one", other.pointer);
            problems.push(Diagnosis::new(&route.pointer, message));
            continue;
        }
        // Equal ranks without wildcards inside segments are equal patterns or differ in a literal.
        let (beginning, is_plain) = beginning(route.pattern.tokens());
        if !is_plain {
            groups.entry((route.pattern.ranks(), route.method.as_ref(), beginning)).or_default().push(route);
        }
    }
    let mut budget = MAX_STEPS;
    let mut groups: Vec<Vec<&Route>> = groups.into_values().collect();
    // The order of a hash map must not decide what is told.
    groups.sort_by(|a, b| a.first().map(|route| &route.pointer).cmp(&b.first().map(|route| &route.pointer)));
    for group in groups {
        let Some(pairs) = pairs(&group) else {
            problems.push(too_many(group.first()));
            continue;
        };
        for (route, other) in pairs {
            let Some(tie) = overlap(route.pattern.tokens(), other.pattern.tokens(), &mut budget) else {
                problems.push(too_many(Some(&route)));
                return;
            };
            if tie {
                let message = format!(
                    "ties with {}: some paths are covered by both, and neither is more specific; change one",
                    other.pointer
                );
                problems.push(Diagnosis::new(&route.pointer, message));
            }
        }
    }
}

fn too_many(route: Option<&&Route>) -> Diagnosis {
    Diagnosis::new(
        route.map_or("", |route| route.pointer.as_str()),
        "too many routes with wildcards inside their segments look alike; use /* or :param instead",
    )
}

/// Those of a group of which one's beginning is the other's beginning, or one's end the other's end, whichever
/// tells more of them apart. Nothing where both leave too many.
fn pairs<'a>(group: &[&'a Route]) -> Option<Vec<(&'a Route, &'a Route)>> {
    let by = |text: fn(&Pattern) -> String| {
        let mut texts: Vec<(String, &Route)> = group.iter().map(|route| (text(&route.pattern), *route)).collect();
        texts.sort_by(|a, b| (&a.0, &a.1.pointer).cmp(&(&b.0, &b.1.pointer)));
        let mut pairs = Vec::new();
        for (index, (text, route)) in texts.iter().enumerate() {
            for (_, other) in texts[index + 1..].iter().take_while(|(longer, _)| longer.starts_with(text.as_str())) {
                pairs.push((*route, *other));
                if pairs.len() > MAX_PAIRS {
                    return None;
                }
            }
        }
        Some(pairs)
    };
    by(reversed_end).or_else(|| by(plain_beginning))
}

/// The segments that are literals or parameters, up to the first other one; and whether there is no other.
/// Parameters are all alike here.
fn beginning(mut tokens: &[Token]) -> (Vec<&[Token]>, bool) {
    let mut segments = Vec::new();
    while !matches!(tokens, [] | [Token::Rest]) {
        let (segment, after) = first_segment(tokens);
        if !matches!(segment, [Token::Text(_) | Token::Param]) {
            return (segments, false);
        }
        segments.push(segment);
        tokens = after;
    }
    (segments, true)
}

/// The text before the first wildcard.
fn plain_beginning(pattern: &Pattern) -> String {
    let texts = pattern
        .tokens()
        .iter()
        .map_while(|token| if let Token::Text(text) = token { Some(text.as_str()) } else { None });
    texts.collect()
}

/// The text after the last wildcard, backwards.
fn reversed_end(pattern: &Pattern) -> String {
    let mut end = String::new();
    for token in pattern.tokens().iter().rev() {
        let Token::Text(text) = token else { break };
        end.extend(text.chars().rev());
    }
    end
}

/// Whether some path is covered by both: follows both patterns at once. Nothing where `budget` is spent before.
fn overlap(a: &[Token], b: &[Token], budget: &mut usize) -> Option<bool> {
    let (a, b) = (letters(a), letters(b));
    let mut seen = HashSet::from([(0, 0)]);
    let mut waiting = vec![(0, 0)];
    while let Some((i, j)) = waiting.pop() {
        *budget = budget.checked_sub(1)?;
        if i == a.len() && j == b.len() {
            return Some(true);
        }
        let (skip_a, take_a) = steps(&a, i);
        let (skip_b, take_b) = steps(&b, j);
        let mut next: Vec<(usize, usize)> = Vec::new();
        next.extend(skip_a.map(|i| (i, j)));
        next.extend(skip_b.map(|j| (i, j)));
        if let (Some((x, i)), Some((y, j))) = (take_a, take_b)
            && x.meets(y)
        {
            next.push((i, j));
        }
        waiting.extend(next.into_iter().filter(|step| seen.insert(*step)));
    }
    Some(false)
}

/// A pattern, letter by letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    /// One of these bytes.
    One(Bytes),
    /// Any number of these bytes.
    Many(Bytes),
    /// `/*` at the end, before its `Many`: nothing more, or a slash.
    Rest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bytes {
    This(u8),
    Inside,
    All,
}

impl Bytes {
    const fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::This(a), Self::This(b)) => a == b,
            (Self::This(byte), Self::Inside) | (Self::Inside, Self::This(byte)) => byte != b'/',
            _ => true,
        }
    }
}

/// From a place in a pattern: where to go without a byte, and with which bytes to where.
fn steps(letters: &[Letter], at: usize) -> (Option<usize>, Option<(Bytes, usize)>) {
    match letters.get(at) {
        None => (None, None),
        Some(Letter::One(bytes)) => (None, Some((*bytes, at + 1))),
        Some(Letter::Many(bytes)) => (Some(at + 1), Some((*bytes, at))),
        Some(Letter::Rest) => (Some(letters.len()), Some((Bytes::This(b'/'), at + 1))),
    }
}

fn letters(tokens: &[Token]) -> Vec<Letter> {
    let mut letters = Vec::new();
    for token in tokens {
        match token {
            Token::Text(text) => letters.extend(text.bytes().map(|byte| Letter::One(Bytes::This(byte)))),
            Token::Param => letters.extend([Letter::One(Bytes::Inside), Letter::Many(Bytes::Inside)]),
            Token::Star => letters.push(Letter::Many(Bytes::All)),
            Token::Rest => letters.extend([Letter::Rest, Letter::Many(Bytes::All)]),
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ties(a: &str, b: &str) -> bool {
        let [a, b] = [a, b].map(|text| Pattern::parse(text, true).unwrap());
        let mut budget = MAX_STEPS;
        overlap(a.tokens(), b.tokens(), &mut budget).unwrap()
    }

    #[test]
    fn patterns_overlap_where_some_path_is_covered_by_both() {
        for (a, b) in [
            ("/files/a*", "/files/*b"),
            ("/*/a/*", "/*/b/*"),
            ("/a:x", "/:xa"),
            ("/a/*/z", "/a/*/z/*"),
            ("/a*/x", "/a*/x"),
            ("/:a-:b", "/x-:b"),
            ("/*.pdf", "/x/*"),
        ] {
            assert!(ties(a, b) && ties(b, a), "{a} and {b}");
        }
        for (a, b) in [
            ("/files/a*", "/files/b*"),
            ("/*.pdf", "/*.html"),
            ("/a:x/q/:y", "/a:x/r/:y"),
            ("/v:a", "/v:a/x"),
            ("/*/a", "/*/b"),
            ("/a*/*", "/b*/*"),
        ] {
            assert!(!ties(a, b) && !ties(b, a), "{a} and {b}");
        }
    }
}
