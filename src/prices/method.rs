//! Which methods a request may be, as a server behind us might read it.

/// A request method, upper case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Method(String);

/// Methods that servers keep apart from GET. Any other verb may be handled like GET.
const KEPT_APART: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

impl Method {
    /// The method with this name, or nothing where it is no HTTP token (RFC 9110 §5.6.2).
    pub fn parse(name: &str) -> Option<Self> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        let legal = !name.is_empty() && name.len() <= 32 && name.bytes().all(token);
        legal.then(|| Self(name.to_ascii_uppercase()))
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Everything a server might take this request for. HEAD is GET without a body; an odd verb
    /// (PROPFIND, TRACE, `GETT`) may fall through to a handler for GET; `overrides` are the methods
    /// named in `X-HTTP-Method-Override` and its kin.
    pub fn readings(&self, overrides: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut readings = Vec::new();
        for method in std::iter::once(self.clone()).chain(overrides) {
            if !KEPT_APART.contains(&method.as_str()) {
                readings.push(Self("GET".to_owned()));
            }
            if method.as_str() != "HEAD" {
                readings.push(method);
            }
        }
        readings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(name: &str) -> Vec<String> {
        Method::parse(name).unwrap().readings([]).into_iter().map(|m| m.0).collect()
    }

    #[test]
    fn head_and_odd_verbs_may_be_get() {
        for name in ["HEAD", "head", "PROPFIND", "GETT", "OPTIONS", "TRACE", "QUERY"] {
            assert!(readings(name).contains(&"GET".to_owned()), "{name}");
        }
        assert_eq!(readings("post"), ["POST"]);
    }

    #[test]
    fn what_is_no_token_is_no_method() {
        for name in ["", "GET ", "GE\tT", "GÉT", "GET/"] {
            assert_eq!(Method::parse(name), None, "{name:?}");
        }
    }
}
