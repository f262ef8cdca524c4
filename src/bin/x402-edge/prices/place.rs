//! From a JSON pointer to the line and column in the file.

use std::collections::HashMap;

/// A line and a column of a text, both from 1; columns are characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Where a value stands: its own beginning, and that of its key where it is a member.
#[derive(Debug, Clone, Copy)]
struct Offsets {
    key: usize,
    value: usize,
}

/// The values of a JSON text by pointer. A key that is written twice is known by its last place.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    text: &'a str,
    found: HashMap<String, Offsets>,
}

/// Values nested deeper are not looked up: `serde_json` refuses them too.
const MAX_DEPTH: usize = 128;

impl<'a> Places<'a> {
    /// Reads the text once. A text that is not JSON has the places before its mistake.
    pub(crate) fn of(text: &'a str) -> Self {
        let mut scanner = Scanner { text, at: 0, found: HashMap::new() };
        scanner.value(&mut String::new(), None, 0);
        Self { text, found: scanner.found }
    }

    /// Where the value stands.
    pub(crate) fn value(&self, pointer: &str) -> Option<Position> {
        self.found.get(pointer).map(|offsets| self.position(offsets.value))
    }

    /// Where the key of the value stands, or the value where it has none.
    pub(crate) fn key(&self, pointer: &str) -> Option<Position> {
        self.found.get(pointer).map(|offsets| self.position(offsets.key))
    }

    fn position(&self, offset: usize) -> Position {
        let before = &self.text[..offset];
        let line_begin = before.rfind('\n').map_or(0, |at| at + 1);
        Position { line: before.matches('\n').count() + 1, column: before[line_begin..].chars().count() + 1 }
    }
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
    found: HashMap<String, Offsets>,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// Passes a value; nothing where the text ends or is no JSON.
    fn value(&mut self, pointer: &mut String, key: Option<usize>, depth: usize) -> Option<()> {
        self.skip_blanks();
        let value = self.at;
        self.found.insert(pointer.clone(), Offsets { key: key.unwrap_or(value), value });
        match self.peek()? {
            _ if depth > MAX_DEPTH => None,
            b'{' => self.items(b'}', |scanner, _| {
                scanner.skip_blanks();
                let at = scanner.at;
                let name: String = serde_json::from_str(scanner.string()?).ok()?;
                scanner.skip_blanks();
                scanner.expect(b':')?;
                scanner.child(pointer, &name, Some(at), depth)
            }),
            b'[' => self.items(b']', |scanner, index| scanner.child(pointer, &index.to_string(), None, depth)),
            b'"' => self.string().map(drop),
            _ => {
                while self.peek().is_some_and(|b| !b.is_ascii_whitespace() && !b",]}".contains(&b)) {
                    self.at += 1;
                }
                Some(())
            }
        }
    }

    fn child(&mut self, pointer: &mut String, name: &str, key: Option<usize>, depth: usize) -> Option<()> {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        let passed = self.value(pointer, key, depth + 1);
        pointer.truncate(length);
        passed
    }

    /// What stands between brackets, comma by comma.
    fn items(&mut self, end: u8, mut item: impl FnMut(&mut Self, usize) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.skip_blanks();
        if self.peek()? == end {
            self.at += 1;
            return Some(());
        }
        for index in 0.. {
            item(self, index)?;
            self.skip_blanks();
            match self.peek()? {
                b',' => self.at += 1,
                other if other == end => {
                    self.at += 1;
                    return Some(());
                }
                _ => return None,
            }
        }
        None
    }

    /// Passes a string and gives its JSON text.
    fn string(&mut self) -> Option<&str> {
        let begin = self.at;
        self.expect(b'"')?;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        self.text.get(begin..self.at)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The surrogate alone is no text, and yet what follows it has its place.
    const TEXT: &str = "{\n  \"a\": [1, {\"é/~\": \"x\\\"\\ud800\"}],\n\"b\" : true, \"b\":\n null}";

    #[test]
    fn every_value_is_found_by_its_pointer() {
        let places = Places::of(TEXT);
        for (pointer, key, value) in [
            ("", (1, 1), (1, 1)),
            ("/a", (2, 3), (2, 8)),
            ("/a/0", (2, 9), (2, 9)),
            ("/a/1/é~1~0", (2, 13), (2, 20)),
            ("/b", (3, 13), (4, 2)),
        ] {
            let position = |(line, column)| Some(Position { line, column });
            assert_eq!(places.key(pointer), position(key), "{pointer}");
            assert_eq!(places.value(pointer), position(value), "{pointer}");
        }
        assert_eq!(places.value("/c"), None);
    }

    #[test]
    fn what_is_no_json_does_no_harm() {
        for end in 0..TEXT.len() {
            if let Some(text) = TEXT.get(..end) {
                Places::of(text);
            }
        }
        for text in ["", "{", "{\"", "{\"a", "{\"a\\", "[,", "{]", "\u{feff}{}", "{\"a\\u12\": 1}"] {
            assert_eq!(Places::of(text).value("/x"), None, "{text}");
        }
        let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(Places::of(&deep).value("/0/0/0").is_some());
    }
}
