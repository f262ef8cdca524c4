//! Names of hosts: `hosts: {"example.com": …, "*.example.com": …}`.

use std::collections::HashMap;

use super::{Diagnosis, json::Node};

/// A host's name in one form: lower case, without port and points at its end.
pub fn host_of(authority: &str) -> String {
    let name = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Which of the named hosts a request is for.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    exact: HashMap<String, usize>,
    /// Without `*.`.
    below: HashMap<String, usize>,
}

impl Hosts {
    /// Adds a name as the document writes it; false where it is there already.
    pub(super) fn add(&mut self, name: &str, site: usize) -> bool {
        let (names, name) = match name.strip_prefix("*.") {
            Some(name) => (&mut self.below, name),
            None => (&mut self.exact, name),
        };
        let is_new = !names.contains_key(name);
        names.entry(name.to_owned()).or_insert(site);
        is_new
    }

    /// The site of a request: its very name, else the longest `*.name` above it.
    pub(super) fn find(&self, authority: &str) -> Option<usize> {
        if self.exact.is_empty() && self.below.is_empty() {
            return None;
        }
        let host = host_of(authority);
        if let Some(site) = self.exact.get(&host) {
            return Some(*site);
        }
        let mut rest = host.as_str();
        while let Some((_, above)) = rest.split_once('.') {
            if let Some(site) = self.below.get(above) {
                return Some(*site);
            }
            rest = above;
        }
        None
    }
}

/// The key of an entry of `hosts`, in one form.
pub(super) fn read_host_name(key: &str, node: &Node<'_>) -> Result<String, Diagnosis> {
    let problem = |message: &str| Err(Diagnosis::new(&node.pointer, message));
    let name = key.to_ascii_lowercase();
    let bare = name.strip_prefix("*.").unwrap_or(&name);
    if key.contains("://") || key.contains('/') {
        return problem("a host is a name such as \"api.example.com\", without scheme and path");
    }
    if !key.is_ascii() {
        return problem("write the name as DNS has it (xn--…): requests come with that");
    }
    if bare.contains(':') && !bare.starts_with('[') {
        return problem("a host is written without its port: it is the same site on every port");
    }
    let bare = bare.trim_start_matches('[').trim_end_matches(']');
    let legal =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_:".contains(&b));
    if bare.is_empty() || bare.contains('*') || !bare.split('.').all(legal) {
        return problem("a host is a name such as \"api.example.com\", or \"*.example.com\" for every name below it");
    }
    Ok(if name.starts_with("*.") { format!("*.{bare}") } else { bare.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_spellings_of_a_host_are_the_host() {
        for authority in [
            "example.com",
            "EXAMPLE.com",
            "example.com:443",
            "example.com.",
            "Example.Com.:8787",
            "example.com..",
            "example.com:",
        ] {
            assert_eq!(host_of(authority), "example.com", "{authority}");
        }
        assert_eq!(host_of("[2001:DB8::1]:80"), "2001:db8::1");
    }

    #[test]
    fn the_very_name_comes_before_the_longest_name_above() {
        let mut hosts = Hosts::default();
        for (site, name) in
            ["example.com", "*.example.com", "*.api.example.com", "x.api.example.com"].iter().enumerate()
        {
            assert!(hosts.add(name, site));
        }
        assert!(!hosts.add("*.example.com", 9));
        for (authority, site) in [
            ("example.com.:1", Some(0)),
            ("a.example.com", Some(1)),
            ("a.b.EXAMPLE.com", Some(1)),
            ("api.example.com", Some(1)),
            ("a.api.example.com", Some(2)),
            ("x.api.example.com", Some(3)),
            ("badexample.com", None),
            ("com", None),
            ("", None),
        ] {
            assert_eq!(hosts.find(authority), site, "{authority}");
        }
    }
}
