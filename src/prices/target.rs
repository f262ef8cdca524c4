//! The target of a request, cut out of its URL as text. No URL library: those repair what they read,
//! and what was judged would not be what is forwarded.

use super::readings::decode_percent;

/// Scheme and host, path, and query of a request, each exactly as the runtime gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// `http` or `https`.
    pub scheme: &'a str,
    /// Host and port.
    pub authority: &'a str,
    /// Begins with `/`.
    pub path: &'a str,
    /// With its `?`; empty where there is none.
    pub query: &'a str,
}

/// The URL is not one that a well-behaved client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request target is malformed")]
pub struct BadTarget;

impl<'a> Target<'a> {
    /// Cuts `http(s)://authority/path?query`.
    pub fn parse(url: &'a str) -> Result<Self, BadTarget> {
        let (scheme, rest) = url.split_once("://").ok_or(BadTarget)?;
        if !["http", "https"].contains(&scheme) {
            return Err(BadTarget);
        }
        let end = rest.bytes().position(|b| b"/?#\\".contains(&b)).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        if authority.is_empty() || !authority.bytes().all(legal) {
            return Err(BadTarget);
        }
        let (path, query) = target.split_at(target.find('?').unwrap_or(target.len()));
        let path = match path {
            "" => "/",
            _ if path.starts_with('/') => path,
            _ => return Err(BadTarget),
        };
        Ok(Self { scheme, authority, path, query })
    }

    /// Whether the runtime's `fetch` can carry the path as it is. It would resolve dot segments (`%2e` is a
    /// dot to it), turn backslashes and drop fragments, and the origin would get another path than was judged.
    pub fn survives_forwarding(&self) -> bool {
        let dots = |segment: &str| match without_dot(segment) {
            Some("") => true,
            Some(rest) => without_dot(rest) == Some(""),
            None => false,
        };
        !self.path.bytes().any(|b| b"\\#".contains(&b)) && !self.path.split('/').any(dots)
    }

    /// `https://host`: what a browser calls the origin.
    pub fn origin(&self) -> String {
        [self.scheme, "://", self.authority].concat()
    }

    /// Whether the query has the parameter by which frameworks change the method, `_method`, in any of the
    /// spellings they read: percent-encoded, `.` and blanks for `_` (PHP), as a list.
    pub fn overrides_method(&self) -> bool {
        self.query.trim_start_matches('?').split(['&', ';']).any(|pair| {
            let key = decode_percent(pair.split('=').next().unwrap_or_default()).to_ascii_lowercase();
            key.trim_start().replace(['.', ' ', '+'], "_").starts_with("_method")
        })
    }
}

/// What comes after a dot, percent-encoded or not.
fn without_dot(text: &str) -> Option<&str> {
    text.strip_prefix('.').or_else(|| {
        let (first, rest) = text.split_at_checked(3)?;
        first.eq_ignore_ascii_case("%2e").then_some(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> Option<(&str, &str, &str)> {
        Target::parse(url).ok().map(|t| (t.authority, t.path, t.query))
    }

    #[test]
    fn nothing_is_repaired() {
        assert_eq!(parts("https://a.example/x/../%41//b;c?d=1?e#f"), Some(("a.example", "/x/../%41//b;c", "?d=1?e#f")));
        assert_eq!(parts("http://[::1]:8787"), Some(("[::1]:8787", "/", "")));
        assert_eq!(parts("http://a?q"), Some(("a", "/", "?q")));
        assert_eq!(parts("http://a//evil.example/x"), Some(("a", "//evil.example/x", "")));
    }

    #[test]
    fn a_query_that_changes_the_method_is_known_in_every_spelling() {
        for query in [
            "_method=GET",
            "a=b&_method=get",
            "%5Fmethod=GET",
            "_%6dethod=GET",
            ".method=GET",
            "+method=GET",
            "_method[]=GET",
            "_METHOD",
            "a;_method=GET",
        ] {
            assert!(Target::parse(&format!("http://a/?{query}")).unwrap().overrides_method(), "{query}");
        }
        for query in ["", "method=GET", "a=_method", "the_method=x"] {
            assert!(!Target::parse(&format!("http://a/?{query}")).unwrap().overrides_method(), "{query}");
        }
    }

    #[test]
    fn a_path_that_would_change_on_the_way_is_known() {
        for path in ["/a/../b", "/./a", "/a/.", "/%2e%2E/a", "/a/.%2e", "/a\\b", "/a#b"] {
            let url = format!("http://a{path}");
            assert!(!Target::parse(&url).unwrap().survives_forwarding(), "{path}");
        }
        for path in ["/a//b", "/...", "/a.b", "/%252e%252e/a", "/a%2fb", "/a;b", "/%", "/a%00"] {
            let url = format!("http://a{path}?../x");
            assert!(Target::parse(&url).unwrap().survives_forwarding(), "{path}");
        }
    }

    #[test]
    fn a_target_that_could_name_another_host_is_refused() {
        for url in [
            "",
            "/x",
            "ftp://a/",
            "http://",
            "http:///x",
            "http://a@b/",
            "http://a:1@evil/x",
            "http://a\\@b/",
            "http://a\\b",
            "http://a b/",
            "http://a#b",
            "http://é/",
        ] {
            assert_eq!(Target::parse(url), Err(BadTarget), "{url}");
        }
    }
}
