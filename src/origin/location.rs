//! Where a redirect leads: into this site, or elsewhere.

use crate::prices::{Target, resolve_dot_segments};

/// The target of a `Location` header (RFC 9110 §10.2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A path of this site.
    Here {
        /// Begins with `/`.
        path: String,
        /// What to write instead, where the header names the origin's own host, which clients must not see.
        rewritten: Option<String>,
    },
    /// Another site, or nothing that a client could follow.
    Elsewhere,
}

/// Reads `location` as a client of `request` would. `origin` is the origin's own scheme and host,
/// `public` what clients call this site where it differs from the request's.
pub fn destination(location: &str, request: &Target<'_>, origin: Option<&str>, public: Option<&str>) -> Destination {
    let location = location.trim();
    let (scheme, rest) = match location.split_once(':') {
        Some((scheme, rest))
            if !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) =>
        {
            (Some(scheme), rest)
        }
        _ => (None, location),
    };
    // Browsers read a backslash as a slash here.
    let slash = |c: char| c == '/' || c == '\\';
    let after_slashes = rest.strip_prefix(slash).and_then(|rest| rest.strip_prefix(slash));
    match (scheme, after_slashes) {
        (Some(scheme), _) if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            Destination::Elsewhere
        }
        (Some(_), None) => Destination::Elsewhere,
        (_, Some(rest)) => {
            let (authority, target) =
                rest.split_at(rest.find(|c| slash(c) || c == '?' || c == '#').unwrap_or(rest.len()));
            let target = if target.starts_with('/') {
                target.to_owned()
            } else {
                format!("/{}", target.trim_start_matches('\\'))
            };
            let is = |url: Option<&str>| url.is_some_and(|url| authority_of(url).eq_ignore_ascii_case(authority));
            let path = path_of(&target).to_owned();
            if is(Some(&request.origin())) || is(public) {
                Destination::Here { path, rewritten: None }
            } else if is(origin) {
                Destination::Here { path, rewritten: Some(target) }
            } else {
                Destination::Elsewhere
            }
        }
        (None, None) => Destination::Here { path: relative(rest, request.path), rewritten: None },
    }
}

fn authority_of(origin: &str) -> &str {
    origin.split_once("://").map_or(origin, |(_, authority)| authority)
}

fn path_of(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

/// RFC 3986 §5.2.2 for a reference without scheme and authority.
fn relative(reference: &str, base: &str) -> String {
    let path = path_of(reference);
    if path.starts_with(['/', '\\']) {
        return path.replace('\\', "/");
    }
    if path.is_empty() {
        return base.to_owned();
    }
    let directory = base.rfind('/').map_or("/", |at| &base[..=at]);
    resolve_dot_segments(&format!("{directory}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(location: &str) -> Destination {
        let request = Target::parse("https://shop.example/a/b?c").unwrap();
        destination(location, &request, Some("http://10.0.0.1:8080"), Some("https://www.shop.example"))
    }

    fn here(path: &str) -> Destination {
        Destination::Here { path: path.to_owned(), rewritten: None }
    }

    #[test]
    fn paths_and_our_own_names_stay_here() {
        for (location, path) in [
            ("/x?y#z", "/x"),
            ("x", "/a/x"),
            ("../x", "/x"),
            ("./", "/a/"),
            ("?q", "/a/b"),
            ("", "/a/b"),
            ("https://shop.example/x", "/x"),
            ("HTTP://SHOP.EXAMPLE/x", "/x"),
            ("//shop.example/x", "/x"),
            ("https://www.shop.example/x", "/x"),
            ("https://shop.example", "/"),
            ("https://shop.example?x", "/"),
            ("/x:y", "/x:y"),
        ] {
            assert_eq!(lead(location), here(path), "{location}");
        }
    }

    #[test]
    fn the_origins_own_host_is_not_shown() {
        let rewritten = Some("/x?y#z".to_owned());
        assert_eq!(lead("http://10.0.0.1:8080/x?y#z"), Destination::Here { path: "/x".to_owned(), rewritten });
    }

    #[test]
    fn other_sites_are_elsewhere() {
        for location in [
            "https://evil.example/x",
            "//evil.example/x",
            "/\\evil.example/x",
            "https:x",
            "mailto:a@b",
            "javascript:x",
            "http://10.0.0.1/x",
        ] {
            assert_eq!(lead(location), Destination::Elsewhere, "{location}");
        }
    }
}
