//! How passes travel: as a cookie, and as a header for clients without cookies.

use std::borrow::Cow;

use super::token::MAX_BYTES;

/// The cookie, whose name makes browsers hold it to this very host, over HTTPS.
pub const PASS_COOKIE: &str = "__Host-x402-pass";

/// A `Cookie` header without this has none.
pub const PASS_MARK: &str = "x402-";

/// The header, in both directions.
pub const PASS_HEADER: &str = "X-402-Pass";

/// Tokens of one request that are looked at.
const MAX_PRESENTED: usize = 8;

/// Between the passes of one cookie: a site has one, and what was bought first shall not be lost.
const BETWEEN: char = '~';

/// A cookie's value stays under the 4,096 bytes that browsers keep, with its name and attributes.
const MAX_COOKIE_BYTES: usize = 3800;

/// The tokens that a request carries: those of its header first, then those of all its cookies of that name.
pub fn presented<'a>(header: Option<&'a str>, cookie: Option<&'a str>) -> Vec<&'a str> {
    let in_header = header.into_iter().flat_map(|text| text.split(',').map(str::trim));
    let in_cookie = cookie.into_iter().flat_map(|text| parts(text).filter_map(Result::ok));
    let in_cookie = in_cookie.flat_map(|value| value.split(BETWEEN));
    let plausible = |token: &&str| !token.is_empty() && token.len() <= MAX_BYTES;
    in_header.chain(in_cookie).filter(plausible).take(MAX_PRESENTED).collect()
}

/// A `Cookie` header without our passes, the others untouched; empty where nothing is left. As it came where there is
/// no pass. Where one stands that nobody reads as a pass, as behind a blank, the cookie around it is left out.
pub fn without_passes(cookie: &str) -> Cow<'_, str> {
    if named(cookie).next().is_none() {
        return Cow::Borrowed(cookie);
    }
    let others = parts(cookie).filter_map(Result::err).filter(|part| !part.trim().is_empty());
    let others: Vec<&str> = others.filter(|part| named(part).next().is_none()).collect();
    let rest = others.join(";");
    Cow::Owned(rest.trim_start().to_owned())
}

/// The cookies of a header: `Ok` is the value of one of ours, `Err` any other as it stands. Lines that a runtime has
/// joined by commas are taken apart where one of ours begins or ends.
fn parts(cookie: &str) -> impl Iterator<Item = Result<&str, &str>> {
    cookie.split(';').flat_map(|part| {
        let mut found = Vec::new();
        let mut rest = part;
        while let Some(at) = ours_begins(rest) {
            let before = rest[..at].trim_end().trim_end_matches(',');
            if !before.trim().is_empty() {
                found.push(Err(before));
            }
            let value = rest[at + PASS_COOKIE.len()..].trim_start().trim_start_matches('=').trim_start();
            let end = value.find([',', ' ', '\t']).unwrap_or(value.len());
            found.push(Ok(value[..end].trim_matches('"')));
            rest = value[end..].trim_start_matches([',', ' ', '\t']);
        }
        if !rest.trim().is_empty() {
            found.push(Err(rest));
        }
        found
    })
}

/// Where a cookie of ours begins: at the start, or behind a comma.
fn ours_begins(text: &str) -> Option<usize> {
    named(text).find(|at| {
        let before = text[..*at].trim_end();
        before.is_empty() || before.ends_with(',')
    })
}

/// Where our name stands with its `=`, and is not the end of a longer one.
fn named(text: &str) -> impl Iterator<Item = usize> {
    text.match_indices(PASS_COOKIE).map(|(at, _)| at).filter(|at| {
        let longer =
            text[..*at].ends_with(|character: char| character.is_ascii_alphanumeric() || "_-".contains(character));
        !longer && text[at + PASS_COOKIE.len()..].trim_start().starts_with('=')
    })
}

/// The value of a cookie with these tokens, as many as have room; the first are the dearest to lose.
pub fn cookie_value<'a>(tokens: impl IntoIterator<Item = &'a str>) -> String {
    let mut value = String::new();
    for token in tokens {
        if !value.is_empty() && value.len() + 1 + token.len() > MAX_COOKIE_BYTES {
            break;
        }
        if !value.is_empty() {
            value.push(BETWEEN);
        }
        value.push_str(token);
    }
    value
}

/// `Set-Cookie` for a value that is of use for so many seconds.
pub fn set_cookie(value: &str, seconds: u64) -> String {
    format!("{PASS_COOKIE}={value}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pass_of_a_request_is_found_up_to_a_few() {
        let cookie = "a=1; __Host-x402-pass=x.y.z~u.v.w; b=2;__Host-x402-pass=\"q.r.s\"; __host-x402-pass=no; \
                      X__Host-x402-pass=no";
        assert_eq!(presented(Some("h.h.h, i.i.i"), Some(cookie)), ["h.h.h", "i.i.i", "x.y.z", "u.v.w", "q.r.s"]);
        assert_eq!(presented(None, None), [""; 0]);
        assert_eq!(presented(Some(""), Some("__Host-x402-pass=; __Host-x402-pass")), [""; 0]);
        let many = "__Host-x402-pass=a; ".repeat(10_000);
        assert_eq!(presented(None, Some(&many)).len(), MAX_PRESENTED);
        let long = format!("__Host-x402-pass={}; __Host-x402-pass=ok", "a".repeat(100_000));
        assert_eq!(presented(None, Some(&long)), ["ok"]);
        assert_eq!(presented(None, Some("a=1, __Host-x402-pass=x, b=2")), ["x"], "two lines, joined");
    }

    #[test]
    fn our_cookies_are_taken_out_and_the_others_stay_as_they_are() {
        for (before, after) in [
            ("a=1; b=2", "a=1; b=2"),
            ("a=1;  b = \"2, 3\" ;c", "a=1;  b = \"2, 3\" ;c"),
            ("__Host-x402-pass=x.y.z", ""),
            ("__Host-x402-pass=x.y.z; a=1", "a=1"),
            ("a=1; __Host-x402-pass=x.y.z", "a=1"),
            ("a=1; __Host-x402-pass=x.y.z; b=2, 3", "a=1; b=2, 3"),
            ("a=1; __Host-x402-pass=x; __Host-x402-pass=y; b=2", "a=1; b=2"),
            ("a=1, __Host-x402-pass=x.y.z", "a=1"),
            ("__Host-x402-pass=x.y.z, a=1", "a=1"),
            ("a=1, __Host-x402-pass=x, b=2", "a=1;b=2"),
            ("__Host-x402-pass = x.y.z ; a=1", "a=1"),
            ("my__Host-x402-pass=x", "my__Host-x402-pass=x"),
            ("allowed=__Host-x402-pass|theme; a=1", "allowed=__Host-x402-pass|theme; a=1"),
            ("__Host-x402-pass=x, a=1 __Host-x402-pass=y; b=2", "b=2"),
            ("a=1 __Host-x402-pass=x; b=2", "b=2"),
            ("a=\"__Host-x402-pass=x\"; b=2", "b=2"),
            ("__Host-x402-pass=\"x __Host-x402-pass=y\"; b=2", "b=2"),
        ] {
            assert_eq!(without_passes(before), after, "{before}");
        }
    }

    #[test]
    fn a_cookie_holds_the_newest_passes_that_have_room() {
        let tokens = ["a".repeat(2000), "b".repeat(1799), "c".to_owned()];
        assert_eq!(cookie_value(tokens.iter().map(String::as_str)).len(), 3800);
        assert_eq!(cookie_value(["x"]), "x");
        assert_eq!(set_cookie("x", 60), "__Host-x402-pass=x; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax");
    }
}
