//! Every way a server might read one request path.
//!
//! Servers differ in what they decode, drop and resolve, and in which order. A gate that guesses one
//! order serves the others for free. So we follow every step from every spelling until nothing new
//! comes, and price the request if *any* of them is priced.

use std::{borrow::Cow, collections::BTreeSet};

/// The spellings a path can be read as, the one on the wire among them; lower-cased where asked.
pub type Readings = BTreeSet<String>;

/// The path is spelled in so many ways at once that no honest client can have written it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the path can be read in too many ways")]
pub struct TooManyReadings;

/// Bytes of path text that may be looked at for one request: bounds the work a hostile path can cause.
const MAX_BYTES: usize = 64 * 1024;

/// One step that some server takes.
type Step = fn(&str) -> String;

/// The steps; who takes them.
const STEPS: &[Step] = &[
    decode_percent,         // everyone, once or more often
    decode_percent_u,       // IIS: %u002f
    decode_latin1,          // IIS and old Tomcat: %e9 is é
    decode_overlong,        // old Java and IIS: %c0%af; fullwidth forms by best fit
    backslashes_to_slashes, // IIS, and browsers' URL parsers
    drop_path_parameters,   // Tomcat, Jetty: /a;x=1/b
    cut_at_terminator,      // decoded ?, #, NUL
    collapse_slashes,       // nginx merge_slashes, Apache
    drop_authority,         // URL parsers given //host/path
    drop_index_page,        // everyone who serves files
    drop_path_info,         // PHP, CGI: /script.php/x
    drop_front_controller,  // PHP: /index.php/x
    drop_session_segments,  // ASP.NET without cookies: /(S(x))/y
    resolve_dot_segments,   // everyone
    trim_segments,          // Windows: trailing dots and blanks; NTFS streams
    drop_stray_percents,    // lenient decoders
    drop_controls,          // URL parsers drop tab, CR and LF
];

/// All readings of a raw path that begins with `/`.
///
/// A plain path has one. `fold_case` compares like Windows and macOS file systems do.
pub fn readings(path: &str, fold_case: bool) -> Result<Readings, TooManyReadings> {
    let fold = |text: &str| if fold_case { fold(text) } else { text.to_owned() };
    let mut found = Readings::new();
    if let Some(only) = only_reading(path, fold_case) {
        found.insert(only.into_owned());
        return Ok(found);
    }
    let mut seen = BTreeSet::new();
    seen.insert(path.to_owned());
    let mut waiting = vec![path.to_owned()];
    let mut budget = MAX_BYTES;
    while let Some(spelling) = waiting.pop() {
        budget = budget.checked_sub(spelling.len()).ok_or(TooManyReadings)?;
        for step in STEPS {
            let next = step(&spelling);
            if next.starts_with('/') && !seen.contains(&next) {
                seen.insert(next.clone());
                waiting.push(next);
            }
        }
        found.insert(fold(&spelling));
    }
    Ok(found)
}

/// The reading of a plain path, which has no other. Most requests ask for one.
pub(super) fn only_reading(path: &str, fold_case: bool) -> Option<Cow<'_, str>> {
    let folded = |path: &str| !path.bytes().any(|b| b.is_ascii_uppercase());
    is_plain(path).then(|| if !fold_case || folded(path) { Cow::Borrowed(path) } else { Cow::Owned(fold(path)) })
}

/// No step changes such a path: letters, digits, single slashes, and marks that mean nothing to servers.
fn is_plain(path: &str) -> bool {
    let quiet = |b: u8| b.is_ascii_alphanumeric() || b"/-_~!&'*+,=@".contains(&b);
    path.bytes().all(quiet) && !path.contains("//")
}

/// One case for all: upper first, since some letters (ſ, K) only meet their twin that way.
pub(super) fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    // Letter by letter: a whole text would fold Σ by its place in a word.
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn hex_byte(digits: Option<&[u8]>) -> Option<u8> {
    let mut byte = [0];
    hex::decode_to_slice(digits?, &mut byte).ok()?;
    Some(byte[0])
}

fn decoded(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if let Some(decoded) = hex_byte(bytes.get(at + 1..at + 3)).filter(|_| byte == b'%') {
            out.push(decoded);
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    out
}

pub(super) fn decode_percent(path: &str) -> String {
    String::from_utf8_lossy(&decoded(path)).into_owned()
}

fn decode_percent_u(path: &str) -> String {
    let path = path.replace("%U", "%u");
    let mut parts = path.split("%u");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        if let Some(c) = code {
            out.push(c);
            out.push_str(&part[4..]);
        } else {
            out.push_str("%u");
            out.push_str(part);
        }
    }
    out
}

/// Bytes that are no UTF-8, read as Latin-1; a path that is UTF-8 is not changed.
fn decode_latin1(path: &str) -> String {
    let bytes = decoded(path);
    if std::str::from_utf8(&bytes).is_ok() { path.to_owned() } else { bytes.into_iter().map(char::from).collect() }
}

/// Decodes percent signs and reads UTF-8 without asking for the shortest form; then fullwidth forms as ASCII.
fn decode_overlong(path: &str) -> String {
    let bytes = decoded(path);
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&lead) = bytes.get(at) {
        let (length, bits) = match lead {
            0xc0..=0xdf => (2, u32::from(lead & 0x1f)),
            0xe0..=0xef => (3, u32::from(lead & 0x0f)),
            0xf0..=0xf7 => (4, u32::from(lead & 0x07)),
            0xf8..=0xfb => (5, u32::from(lead & 0x03)),
            0xfc..=0xfd => (6, u32::from(lead & 0x01)),
            _ => (1, u32::from(lead)),
        };
        let tail = bytes.get(at + 1..at + length).unwrap_or_default();
        let continued = length > 1 && tail.len() == length - 1 && tail.iter().all(|b| b & 0xc0 == 0x80);
        let code = tail.iter().fold(bits, |code, b| (code << 6) | u32::from(b & 0x3f));
        match u8::try_from(code) {
            Ok(ascii) if continued && ascii.is_ascii() => {
                out.push(ascii);
                at += length;
            }
            _ => {
                out.push(lead);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).chars().map(narrow).collect()
}

fn narrow(c: char) -> char {
    match c {
        // U+FF01..U+FF5E are ASCII 0x21..0x7E, 0xFEE0 higher
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{2215}' | '\u{2044}' | '\u{29f8}' => '/',
        '\u{2216}' | '\u{29f5}' | '\u{29f9}' => '\\',
        '\u{2024}' => '.',
        _ => c,
    }
}

fn backslashes_to_slashes(path: &str) -> String {
    path.replace('\\', "/")
}

fn each_segment(path: &str, change: impl Fn(&str) -> &str) -> String {
    path.split('/').map(change).collect::<Vec<_>>().join("/")
}

fn drop_path_parameters(path: &str) -> String {
    each_segment(path, |segment| segment.split(';').next().unwrap_or_default())
}

fn cut_at_terminator(path: &str) -> String {
    path.split(['?', '#', '\0']).next().unwrap_or_default().to_owned()
}

fn collapse_slashes(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

/// `//host/path` and, to URL parsers, any number of slashes before the host.
fn drop_authority(path: &str) -> String {
    if !path.starts_with("//") {
        return path.to_owned();
    }
    let rest = path.trim_start_matches('/');
    rest.split_once('/').map_or_else(|| "/".to_owned(), |(_, path)| format!("/{path}"))
}

/// Pages that servers send for a folder.
const INDEX_PAGES: [&str; 12] = [
    "index.html",
    "index.htm",
    "index.shtml",
    "index.xhtml",
    "index.php",
    "index.cgi",
    "index.jsp",
    "index.aspx",
    "default.html",
    "default.htm",
    "default.asp",
    "default.aspx",
];

/// `/paper/index.html` is `/paper`.
fn drop_index_page(path: &str) -> String {
    let (folder, page) = path.rsplit_once('/').unwrap_or(("", path));
    let is_index = INDEX_PAGES.iter().any(|index| page.eq_ignore_ascii_case(index));
    if is_index { format!("{folder}/") } else { path.to_owned() }
}

/// Endings of scripts that are also called with more path behind them.
const SCRIPTS: [&str; 7] = [".php", ".cgi", ".pl", ".asp", ".aspx", ".ashx", ".jsp"];

/// Where a script's name ends that has more path behind it.
fn script_end(path: &str) -> Option<usize> {
    let lower = path.to_ascii_lowercase();
    let ends = SCRIPTS.iter().filter_map(|ending| lower.find(&format!("{ending}/")).map(|at| at + ending.len()));
    ends.min()
}

/// `/report.php/x` is `/report.php`, called with the path information `/x`.
fn drop_path_info(path: &str) -> String {
    script_end(path).map_or_else(|| path.to_owned(), |end| path[..end].to_owned())
}

/// `/index.php/premium` is `/premium` to a front controller.
fn drop_front_controller(path: &str) -> String {
    script_end(path).map_or_else(|| path.to_owned(), |end| path[end..].to_owned())
}

/// ASP.NET takes segments such as `(S(x))` for a session's name.
fn drop_session_segments(path: &str) -> String {
    let session =
        |segment: &&str| segment.starts_with('(') && segment.ends_with("))") && segment.get(2..3) == Some("(");
    path.split('/').filter(|segment| !session(segment)).collect::<Vec<_>>().join("/")
}

/// Removes `.` and `..` segments (RFC 3986 §5.2.4); `..` above the root stays at the root.
pub fn resolve_dot_segments(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let ends_open = matches!(segments.last(), Some(&("." | "..")));
    for segment in segments {
        match segment {
            "." => {}
            ".." => {
                out.pop();
            }
            _ => out.push(segment),
        }
    }
    let slash = if ends_open && !out.is_empty() { "/" } else { "" };
    format!("/{}{slash}", out.join("/"))
}

/// Windows drops dots and blanks at the end of a name, and `name::$DATA`, `name:$I30:…` is the name itself.
fn trim_segments(path: &str) -> String {
    each_segment(path, |segment| {
        if [".", ".."].contains(&segment) {
            return segment;
        }
        let name = segment.find(":$").map_or(segment, |at| segment[..at].trim_end_matches(':'));
        name.trim_end_matches(['.', ' ', '\u{a0}']).trim_start_matches(' ')
    })
}

fn drop_stray_percents(path: &str) -> String {
    let bytes = path.as_bytes();
    let stray = |at: usize| bytes[at] == b'%' && hex_byte(bytes.get(at + 1..at + 3)).is_none();
    path.char_indices().filter(|(at, _)| !stray(*at)).map(|(_, c)| c).collect()
}

fn drop_controls(path: &str) -> String {
    path.chars().filter(|c| !c.is_control() && *c != '\u{fffd}').collect()
}
