//! Routes by their patterns, segment by segment: finding those that cover a path takes as many steps as the path
//! has segments, however many routes there are.

use super::{
    Pattern,
    fnv::FnvMap,
    pattern::{Token, covers, without_last_slash},
};

/// Patterns with their numbers.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
}

/// What may come after the segments that lead here.
#[derive(Debug, Default)]
struct Node {
    /// By text.
    literals: FnvMap<Box<str>, usize>,
    /// Segments such as `v:major`.
    mixed: Vec<(Vec<Token>, usize)>,
    /// `:param`.
    param: Option<usize>,
    /// Patterns that end here.
    ends: Vec<usize>,
    /// Patterns that end with `/*` here.
    rests: Vec<usize>,
    /// Patterns with a `*` that crosses slashes, from this segment on.
    crossing: Vec<Crossing>,
}

#[derive(Debug)]
struct Crossing {
    tokens: Vec<Token>,
    pattern: usize,
}

impl Trie {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Node::default()] }
    }

    /// Adds a pattern under a number.
    pub(super) fn add(&mut self, pattern: &Pattern, number: usize) {
        let mut tokens = pattern.tokens();
        let mut node = 0;
        loop {
            match tokens {
                [] => return self.nodes[node].ends.push(number),
                [Token::Rest] => return self.nodes[node].rests.push(number),
                _ => {}
            }
            let (segment, after) = first_segment(tokens);
            node = match segment {
                _ if segment.contains(&Token::Star) => {
                    return self.nodes[node].crossing.push(Crossing { tokens: tokens.to_vec(), pattern: number });
                }
                [Token::Text(text)] => self.literal(node, text),
                [Token::Param] => self.param(node),
                _ => self.mixed(node, segment),
            };
            tokens = after;
        }
    }

    fn literal(&mut self, node: usize, text: &str) -> usize {
        if let Some(child) = self.nodes[node].literals.get(text) {
            return *child;
        }
        let child = self.push();
        self.nodes[node].literals.insert(text.into(), child);
        child
    }

    fn param(&mut self, node: usize) -> usize {
        if let Some(child) = self.nodes[node].param {
            return child;
        }
        let child = self.push();
        self.nodes[node].param = Some(child);
        child
    }

    fn mixed(&mut self, node: usize, segment: &[Token]) -> usize {
        if let Some((_, child)) = self.nodes[node].mixed.iter().find(|(known, _)| known == segment) {
            return *child;
        }
        let child = self.push();
        self.nodes[node].mixed.push((segment.to_vec(), child));
        child
    }

    fn push(&mut self) -> usize {
        self.nodes.push(Node::default());
        self.nodes.len() - 1
    }

    /// The numbers of all patterns that cover a reading, in no order.
    pub(super) fn covering(&self, reading: &str) -> Vec<usize> {
        let mut all = Vec::new();
        self.find(reading, |number| {
            all.push(number);
            false
        });
        all
    }

    /// Whether any pattern covers a reading.
    pub(super) fn covers(&self, reading: &str) -> bool {
        self.find(reading, |_| true)
    }

    /// Shows the numbers of the patterns that cover a reading until one is `enough`; whether one was. Each place in the
    /// tree is looked at once at most.
    fn find(&self, reading: &str, mut enough: impl FnMut(usize) -> bool) -> bool {
        let path = without_last_slash(reading);
        let mut waiting = vec![(0, path)];
        while let Some((node, path)) = waiting.pop() {
            let node = &self.nodes[node];
            if !path.is_empty() && !path.starts_with('/') {
                continue;
            }
            let crosses = |crossing: &&Crossing| crossing.ends_like(path) && covers(&crossing.tokens, path.as_bytes());
            let crossing = node.crossing.iter().filter(crosses).map(|crossing| crossing.pattern);
            if node.rests.iter().copied().chain(crossing).any(&mut enough) {
                return true;
            }
            let Some(rest) = path.strip_prefix('/') else {
                if node.ends.iter().copied().any(&mut enough) {
                    return true;
                }
                continue;
            };
            let end = rest.find('/').unwrap_or(rest.len());
            let (segment, after) = rest.split_at(end);
            waiting.extend(node.literals.get(segment).map(|child| (*child, after)));
            if !segment.is_empty() {
                waiting.extend(node.param.map(|child| (child, after)));
            }
            let fits =
                |(tokens, _): &&(Vec<Token>, usize)| begins_like(tokens, segment) && covers(tokens, segment.as_bytes());
            waiting.extend(node.mixed.iter().filter(fits).map(|(_, child)| (*child, after)));
        }
        false
    }
}

impl Crossing {
    /// A quick look before the thorough one.
    fn ends_like(&self, path: &str) -> bool {
        match self.tokens.last() {
            Some(Token::Text(text)) => path.ends_with(text.as_str()),
            _ => true,
        }
    }
}

fn begins_like(tokens: &[Token], segment: &str) -> bool {
    match tokens.first() {
        Some(Token::Text(text)) => segment.starts_with(text.as_str()),
        _ => true,
    }
}

/// The first segment's tokens, without its slash, and what comes after them.
pub(super) fn first_segment(tokens: &[Token]) -> (&[Token], &[Token]) {
    let segment = tokens.get(1..).unwrap_or_default();
    let ends = |token: &Token| *token == Token::Rest || matches!(token, Token::Text(text) if text == "/");
    segment.split_at(segment.iter().position(ends).unwrap_or(segment.len()))
}
