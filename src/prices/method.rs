//! Which methods a request may be, as a server behind us might read it.

/// A request method, upper case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Method(String);

/// The methods that a request may be taken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Methods {
    /// One of these.
    These(Vec<Method>),
    /// Any: the request asks for another method by a header or parameter that some frameworks obey.
    Any,
}

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
    /// (PROPFIND, TRACE, `GETT`) may fall through to a handler for GET.
    pub fn readings(&self) -> Methods {
        match self.as_str() {
            "HEAD" => Methods::These(vec![Self::get()]),
            name if KEPT_APART.contains(&name) || name == "GET" => Methods::These(vec![self.clone()]),
            _ => Methods::These(vec![self.clone(), Self::get()]),
        }
    }

    fn get() -> Self {
        Self("GET".to_owned())
    }
}

impl Methods {
    /// The same, or GET.
    #[must_use]
    pub fn or_get(self) -> Self {
        match self {
            Self::These(mut methods) if !methods.contains(&Method::get()) => {
                methods.push(Method::get());
                Self::These(methods)
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(name: &str) -> Vec<String> {
        match Method::parse(name).unwrap().readings() {
            Methods::These(methods) => methods.into_iter().map(|method| method.0).collect(),
            Methods::Any => unreachable!("only overrides mean any method"),
        }
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
