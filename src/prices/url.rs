//! URLs in the document.

use super::{Diagnosis, diagnosis::keep, json::Node};

/// An absolute http(s) URL that can stand in a header and be joined with a path.
pub(super) fn read_url(node: &Node<'_>) -> Result<String, Diagnosis> {
    let text = node.string()?;
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let legal = text.bytes().all(|b| b.is_ascii_graphic()) && !text.contains(['"', '<', '>', '\\', '#']);
    match rest {
        Some(rest) if legal && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') => Ok(text),
        _ => Err(node.problem("expected an absolute URL, https://… or http://…, in plain ASCII")),
    }
}

/// Scheme and host of a URL that has nothing else.
pub(super) fn read_origin(node: &Node<'_>) -> Result<String, Diagnosis> {
    let url = read_url(node)?;
    let origin = url.strip_suffix('/').unwrap_or(&url);
    match origin.split_once("://") {
        Some((_, host)) if !host.contains(['/', '?', '@']) => Ok(origin.to_owned()),
        _ => Err(node.problem("publicUrl is scheme and host only, such as \"https://example.com\"")),
    }
}

/// Base URLs, to which paths are added.
pub(super) fn read_facilitators(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Vec<String> {
    let urls = read_urls(node, problems);
    if urls.iter().any(|url| url.contains('?')) {
        problems
            .push(node.problem("a facilitator is a base URL, to which /verify and /settle are added: it has no query"));
    }
    urls.into_iter().map(|url| url.trim_end_matches('/').to_owned()).collect()
}

/// A list of at least one URL.
pub(super) fn read_urls(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Vec<String> {
    let items = keep(node.array(), problems).unwrap_or_default();
    if items.is_empty() {
        problems.push(node.problem("expected a list of at least one URL"));
    }
    items.iter().filter_map(|item| keep(read_url(item), problems)).collect()
}
