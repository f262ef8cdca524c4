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
    // Browsers read a backslash as a slash here, and any number of them as two.
    let slash = |c: char| c == '/' || c == '\\';
    let slashes = rest.chars().take_while(|c| slash(*c)).count();
    let same_scheme = scheme.is_none_or(|scheme| scheme.eq_ignore_ascii_case(request.scheme));
    let after_slashes = (slashes >= 2 || !same_scheme).then(|| rest.trim_start_matches(slash));
    match (scheme, after_slashes) {
        (Some(scheme), _) if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => {
            Destination::Elsewhere
        }
        (_, Some(rest)) => {
            let (authority, after) =
                rest.split_at(rest.find(|c| slash(c) || c == '?' || c == '#').unwrap_or(rest.len()));
            let after =
                if after.starts_with('/') { after.to_owned() } else { format!("/{}", after.trim_start_matches('\\')) };
            let scheme = scheme.unwrap_or(request.scheme);
            let is = |url: &str| {
                let (scheme_of_url, authority_of_url) = url.split_once("://").unwrap_or((scheme, url));
                host(authority, scheme) == host(authority_of_url, scheme_of_url)
            };
            let path = path_of(&after).to_owned();
            if is(&request.origin()) || public.is_some_and(is) {
                Destination::Here { path, rewritten: None }
            } else if origin.is_some_and(is) {
                // Absolute, so that no path of the origin's can name another host.
                Destination::Here { path, rewritten: Some(format!("{}{after}", request.origin())) }
            } else {
                Destination::Elsewhere
            }
        }
        (_, None) => Destination::Here { path: relative(rest, request.path), rewritten: None },
    }
}

/// Host and port, without what does not tell sites apart: case, a user's name, `www.`, the scheme's own port.
fn host(authority: &str, scheme: &str) -> String {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let own_port = if scheme.eq_ignore_ascii_case("http") { ":80" } else { ":443" };
    let host = host.strip_suffix(own_port).unwrap_or(&host).trim_end_matches('.');
    host.strip_prefix("www.").unwrap_or(host).to_owned()
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
            ("https://shop.example:443/x", "/x"),
            ("https://user@shop.example/x", "/x"),
            ("https://WWW.shop.example./x", "/x"),
            ("///shop.example/x", "/x"),
            ("https:/x", "/x"),
            ("https:x", "/a/x"),
            ("https://shop.example:443/x", "/x"),
            ("https://user@shop.example/x", "/x"),
            ("https://WWW.shop.example./x", "/x"),
            ("///shop.example/x", "/x"),
            ("https:/x", "/x"),
            ("https:x", "/a/x"),
        ] {
            assert_eq!(lead(location), here(path), "{location}");
        }
    }

    #[test]
    fn the_origins_own_host_is_not_shown() {
        for (location, path, shown) in [
            ("http://10.0.0.1:8080/x?y#z", "/x", "https://shop.example/x?y#z"),
            ("http://10.0.0.1:8080//evil.example/x", "//evil.example/x", "https://shop.example//evil.example/x"),
            ("http://10.0.0.1:8080\\\\evil.example", "/evil.example", "https://shop.example/evil.example"),
            ("http://10.0.0.1:8080", "/", "https://shop.example/"),
        ] {
            let rewritten = Some(shown.to_owned());
            assert_eq!(lead(location), Destination::Here { path: path.to_owned(), rewritten }, "{location}");
        }
    }

    #[test]
    fn other_sites_are_elsewhere() {
        for location in [
            "https://evil.example/x",
            "//evil.example/x",
            "/\\evil.example/x",
            "http:evil.example/x",
            "mailto:a@b",
            "javascript:x",
            "http://10.0.0.1/x",
        ] {
            assert_eq!(lead(location), Destination::Elsewhere, "{location}");
        }
    }
}
