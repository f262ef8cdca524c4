//! Parameters of a query, as servers might read them.

use super::readings::{decode_percent, fold};

/// Parameters that are looked at; a query with more is read as one that could say anything.
const MAX_PARAMETERS: usize = 256;

/// What a query says of one parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    /// Every value that a server might take it for.
    pub(super) values: Vec<String>,
    /// Whether each of them stands under its own name, plainly.
    pub(super) plain: bool,
    /// Whether there are so many parameters that it could say anything.
    pub(super) endless: bool,
}

/// Every reading of the parameter `name`: frameworks take the first or the last of several, split at `;` too,
/// ignore the case of names, read `a[]`, `a.b` and `a b` as `a` and `a_b`, and `+` as a blank.
pub(super) fn parameter(query: &str, name: &str) -> Parameter {
    let mut found = Parameter { values: Vec::new(), plain: true, endless: false };
    let query = query.strip_prefix('?').unwrap_or(query);
    let wanted = careless(name);
    for (index, pair) in query.split('&').enumerate() {
        if index == MAX_PARAMETERS {
            found.endless = true;
            break;
        }
        let whole = pair.split_once('=').unwrap_or((pair, ""));
        if decode(whole.0) == name {
            found.add(whole.1);
            // A server that splits at semicolons reads less.
            if let Some((first, _)) = whole.1.split_once(';') {
                found.add(first);
            }
            found.plain &= !pair.contains(';');
        } else if careless(&decode(whole.0)) == wanted {
            found.plain = false;
            found.add(whole.1);
        }
        for part in pair.split(';').skip(1) {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            if careless(&decode(key)) == wanted {
                found.plain = false;
                found.add(value);
            }
        }
    }
    found
}

impl Parameter {
    fn add(&mut self, raw: &str) {
        let decoded = decode(raw);
        if raw.contains('+') {
            // Some servers keep the plus sign.
            self.values.push(decode_percent(raw));
        }
        self.values.push(decoded);
    }
}

fn decode(raw: &str) -> String {
    decode_percent(&raw.replace('+', " "))
}

/// A parameter's name as the most careless server reads it.
fn careless(name: &str) -> String {
    let name = name.split(['[', '\0']).next().unwrap_or_default().trim();
    fold(name).replace(['.', ' '], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> (Vec<String>, bool) {
        let Parameter { values, plain, .. } = parameter(query, "format");
        (values, plain)
    }

    #[test]
    fn a_plain_parameter_is_read_plainly() {
        for (query, value) in
            [("?format=pdf", "pdf"), ("?a=b&format=%70df", "pdf"), ("format", ""), ("?%66ormat=x", "x")]
        {
            assert_eq!(read(query), (vec![value.to_owned()], true), "{query}");
        }
        assert_eq!(read("?formats=pdf&xformat=pdf"), (vec![], true));
    }

    #[test]
    fn what_servers_read_differently_has_several_readings() {
        for (query, values, plain) in [
            ("?format=a&format=b", &["a", "b"][..], true),
            ("?format=a+b", &["a+b", "a b"], true),
            ("?FORMAT=a", &["a"], false),
            ("?format[]=a", &["a"], false),
            ("?x=1;format=a", &["a"], false),
            ("?format=a;b", &["a;b", "a"], false),
        ] {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(read(query), (values, plain), "{query}");
        }
        assert!(parameter(&"a&".repeat(1000), "format").endless);
    }
}
