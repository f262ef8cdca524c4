//! URLs as clients send them.

use serde_json::Value;

use super::program;
use crate::failure::Failure;

/// One URL for each line of JSON; what is none stays as it is.
const SCRIPT: &str = r#"
let text = "";
for await (const chunk of process.stdin) text += chunk;
const sent = JSON.parse(text).map((url) => {
  try {
    const parsed = new URL(url);
    parsed.hash = "";
    parsed.username = parsed.password = "";
    return ["http:", "https:"].includes(parsed.protocol) ? parsed.href : url;
  } catch {
    return url;
  }
});
process.stdout.write(JSON.stringify(sent));
"#;

/// What browsers, `fetch` and Cloudflare make of URLs before a Worker sees them (WHATWG URL): dot segments are
/// resolved, backslashes turned, blanks and non-ASCII letters encoded, fragments dropped. Node.js does it here,
/// so that it is the very same.
pub(crate) fn as_sent(urls: &[String]) -> Result<Vec<String>, Failure> {
    // Spares a start of Node.js.
    if urls.iter().all(|url| is_plain(url)) {
        return Ok(urls.to_vec());
    }
    let input = Value::from(urls.to_vec()).to_string();
    let output = program::run("node", &["--input-type=module", "--eval", SCRIPT], Some(&input))
        .map_err(|error| Failure::outside(format!("Node.js cannot be started: {error}")))?;
    match serde_json::from_slice::<Vec<String>>(&output.stdout) {
        Ok(sent) if sent.len() == urls.len() => Ok(sent),
        _ => Err(Failure::outside(format!("Node.js failed: {}", String::from_utf8_lossy(&output.stderr).trim()))),
    }
}

/// Whether nothing about it would change: a name with letters at its end, no port, quiet characters only.
fn is_plain(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or_default();
    let Some((host, path)) = rest.split_once('/') else { return false };
    let quiet = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-/_?=&.".contains(&b);
    let ends_in_letters =
        host.rsplit('.').next().is_some_and(|label| label.starts_with(|c: char| c.is_ascii_lowercase()));
    let dots = path.starts_with('.') || path.contains("/.");
    ends_in_letters && !host.contains("--") && !dots && !host.contains(['?', '&', '=', '_']) && rest.bytes().all(quiet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_change_is_not_plain() {
        for url in ["https://a.example/", "http://shop.example/a/b-c_d.html?x=1&y=a/b", "https://a.b/c//d"] {
            assert!(is_plain(url), "{url}");
        }
        for url in [
            "https://a.example",
            "https://a.example:443/",
            "https://A.example/",
            "https://127.1/",
            "https://0x7f/",
            "https://xn--a.example/",
            "https://a.example/../b",
            "https://a.example/./b",
            "https://a.example/.",
            "https://a.example/%41",
            "https://a.example/A#b",
            "https://u@a.example/",
            "https://a.example/a b",
            "https://a.example/\\b",
            "ftp://a.example/",
            "/a",
        ] {
            assert!(!is_plain(url), "{url}");
        }
    }
}
