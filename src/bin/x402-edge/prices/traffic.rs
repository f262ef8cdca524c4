//! Requests to try a document on: a list of URLs, or an access log.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::Path,
};

use x402_edge::{client::Client, prices::PriceTable};

use super::{explain::whole_url, inquiry::Asked, sent};
use crate::failure::Failure;

/// One request, how often it came, and whether the origin answered it in a way that is paid for.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) asked: Asked,
    pub(crate) count: u32,
    pub(crate) delivered: bool,
}

/// Where visits go, one by one: a log may be longer than memory.
type Sink<'a> = &'a mut dyn FnMut(Visit) -> Result<(), Failure>;

/// Longer lines are none of an access log.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Reads `URL`, `METHOD URL` or `COUNT METHOD URL` lines; empty lines and those with `#` say nothing. Gives the
/// number of lines that are none of these.
pub(crate) fn urls(file: &Path, table: &PriceTable, sink: Sink<'_>) -> Result<u64, Failure> {
    let mut unread = 0;
    let (mut asked, mut urls) = (Vec::new(), Vec::new());
    for line in lines(file)? {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let (count, method, url) = match words.as_slice() {
            [] => continue,
            [first, ..] if first.starts_with('#') => continue,
            [url] => (Some(1), "GET", *url),
            [method, url] => (Some(1), *method, *url),
            [count, method, url] => (count.parse().ok(), *method, *url),
            _ => (None, "", ""),
        };
        match count {
            Some(count) => {
                asked.push((count, method.to_owned()));
                urls.push(whole_url(url, table)?);
            }
            None => unread += 1,
        }
    }
    for ((count, method), url) in asked.into_iter().zip(sent::as_sent(&urls)?) {
        sink(Visit { asked: Asked { method, url, ..Asked::default() }, count, delivered: true })?;
    }
    Ok(unread)
}

/// Reads the common and the combined log format, of `host` where the log does not say it. Gives the number of lines
/// that are none.
pub(crate) fn log(file: &Path, host: &str, sink: Sink<'_>) -> Result<u64, Failure> {
    let mut unread = 0;
    for line in lines(file)? {
        let line = line?;
        match parse(line.trim_end_matches('\r'), host) {
            Some(visit) => sink(visit)?,
            None => unread += u64::from(!line.trim().is_empty()),
        }
    }
    Ok(unread)
}

fn lines(file: &Path) -> Result<impl Iterator<Item = Result<String, Failure>>, Failure> {
    let name = file.display().to_string();
    let failed = move |error: io::Error| Failure::usage(format!("{name} cannot be read: {error}"));
    let input: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(file).map_err(&failed)?))
    };
    // Logs hold what clients wrote, in any encoding.
    Ok(input
        .split(b'\n')
        .map(move |line| line.map(|line| String::from_utf8_lossy(&line).into_owned()).map_err(&failed)))
}

/// `client ident user [time] "METHOD target HTTP/1.1" status bytes "referer" "user agent"`; the two last ones, and
/// a virtual host in front (`vhost_combined`), may be missing.
fn parse(line: &str, host: &str) -> Option<Visit> {
    if line.len() > MAX_LINE_BYTES {
        return None;
    }
    let (head, rest) = line.split_once(" [")?;
    let (_time, rest) = rest.split_once("] \"")?;
    let (request, rest) = quoted(rest)?;
    let mut head: Vec<&str> = head.split_whitespace().collect();
    let named = if head.len() == 4 { Some(head.remove(0)) } else { None };
    let mut words = request.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let url = match target.strip_prefix('/') {
        Some(_) => format!("https://{}{target}", named.unwrap_or(host)),
        None if target.contains("://") => target.to_owned(),
        None => return None,
    };
    let mut rest = rest.split_whitespace();
    let status: u16 = rest.next()?.parse().ok()?;
    let agent = line.strip_suffix('"').and_then(|line| line.rsplit_once(" \"")).map(|(_, agent)| agent);
    let agent = agent.filter(|agent| rest.clone().count() > 1 && *agent != "-");
    let headers = agent.map(|agent| ("User-Agent".to_owned(), agent.to_owned())).into_iter().collect();
    let client = Client { ip: head.first()?.parse().ok(), ..Client::default() };
    let asked = Asked { method: method.to_owned(), url, headers, client };
    // What the gate charges for: docs/life-of-a-payment.md.
    Some(Visit { asked, count: 1, delivered: status < 400 && status != 304 })
}

/// The text up to the next quote that is not escaped, and what follows.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return Some((&text[..at], &text[at + 1..])),
            _ => escaped = c == '\\' && !escaped,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_read_in_their_formats() {
        for (line, method, url, agent, delivered) in [
            (
                r#"203.0.113.7 - - [24/Nov/2026:14:00:00 +0000] "GET /a?b=1 HTTP/1.1" 200 12"#,
                "GET",
                "https://h.example/a?b=1",
                None,
                true,
            ),
            (
                r#"2001:db8::1 - bob [24/Nov/2026:14:00:00 +0000] "POST /a HTTP/2.0" 404 - "-" "curl/8 \"x\"""#,
                "POST",
                "https://h.example/a",
                Some("x\\\""),
                false,
            ),
            (
                r#"203.0.113.7 - - [t] "GET / HTTP/1.1" 304 0 "https://r.example/" "Mozilla/5.0 (X; Y)""#,
                "GET",
                "https://h.example/",
                Some("Mozilla/5.0 (X; Y)"),
                false,
            ),
            (
                r#"shop.example:443 203.0.113.7 - - [t] "GET /x HTTP/1.1" 200 5 "-" "-""#,
                "GET",
                "https://shop.example:443/x",
                None,
                true,
            ),
        ] {
            let visit = parse(line, "h.example").unwrap();
            assert_eq!((visit.asked.method.as_str(), visit.asked.url.as_str()), (method, url));
            assert_eq!(visit.delivered, delivered, "{line}");
            assert!(visit.asked.client.ip.is_some(), "{line}");
            let found = visit.asked.headers.first().map(|(_, agent)| agent.as_str());
            assert_eq!(found.is_some(), agent.is_some(), "{line}: {found:?}");
        }
        for line in [
            "",
            "nonsense",
            r#"1.2.3.4 - - [t] "\x16\x03" 400 0"#,
            r#"1.2.3.4 - - [t] "GET / HTTP/1.1"#,
            r#"1.2.3.4 - - [t] "CONNECT a:1 HTTP/1.1" 400 0"#,
        ] {
            assert!(parse(line, "h.example").is_none(), "{line}");
        }
    }
}
