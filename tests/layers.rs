//! The floors of the house: imports go down only. This table is the architecture.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, fs, path::Path};

/// Each room and the rooms it may name by `crate::`. Facts first; nobody reaches up.
const ROOMS: &[(&str, &[&str])] = &[
    ("client", &[]),
    ("evm", &[]),
    ("json", &[]),
    ("money", &["evm"]),
    ("network", &[]),
    ("metering", &["money"]),
    ("time", &["evm"]),
    ("x402", &["evm", "money", "network"]),
    ("schemes", &["evm", "money", "time", "x402"]),
    ("transports", &["x402"]),
    ("extensions", &["evm"]),
    ("ledger", &["evm", "money", "network", "time", "x402"]),
    ("channels", &["evm", "network", "schemes", "time"]),
    ("ports", &["channels", "client", "ledger", "time"]),
    ("prices", &["client", "evm", "metering", "money", "network", "time", "schemes", "transports", "x402"]),
    ("chain", &["evm", "money", "ports", "schemes", "x402"]),
    ("facilitator", &["evm", "json", "money", "network", "time", "schemes", "x402", "ports", "chain"]),
    // The ledger's work with facilitators.
    ("settlement", &["time", "x402", "ledger", "ports", "facilitator"]),
    // The same with what channels owe.
    ("claims", &["chain", "channels", "evm", "facilitator", "network", "ports", "schemes", "time", "x402"]),
    ("books", &["channels", "money", "network", "time", "ledger", "ports", "chain"]),
    // A redirect is read like a request: the target and its dot segments are the price room's.
    ("origin", &["evm", "money", "network", "transports", "ports", "prices"]),
    ("page", &["money", "schemes", "x402"]),
    // A pass opens what a price is asked for.
    ("passes", &["json", "money", "time", "x402", "ledger", "prices"]),
    (
        "gate",
        &[
            "chain",
            "channels",
            "client",
            "evm",
            "metering",
            "money",
            "network",
            "time",
            "ledger",
            "schemes",
            "transports",
            "extensions",
            "x402",
            "ports",
            "prices",
            "facilitator",
            "origin",
            "page",
            "passes",
        ],
    ),
    (
        "edge",
        &[
            "json",
            "chain",
            "channels",
            "claims",
            "evm",
            "client",
            "metering",
            "time",
            // For measuring the edge check without a request.
            "schemes",
            "x402",
            "ledger",
            "facilitator",
            "settlement",
            "books",
            "transports",
            "ports",
            "prices",
            "passes",
            "gate",
        ],
    ),
];

/// Every source file with the room it is in.
fn sources() -> BTreeMap<String, (String, String)> {
    fn walk(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&src, &mut files);
    files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let name = path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/");
            let room = name.split('/').next().unwrap().trim_end_matches(".rs").to_owned();
            (name, (room, fs::read_to_string(path).unwrap()))
        })
        .collect()
}

/// The rooms that a source names by `crate::…`, also in `use crate::{a, b::c}`.
fn named_rooms(source: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in source.match_indices("crate::") {
        let rest = &source[at + "crate::".len()..];
        let word = |text: &str| {
            text.trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default().to_owned()
        };
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut start = 0;
            for (index, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if (c == ',' && depth == 1) || depth == 0 {
                    rooms.push(word(&group[start..index]));
                    start = index + 1;
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            rooms.push(word(rest));
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

#[test]
fn imports_go_down_only() {
    for (file, (room, source)) in sources() {
        if ["lib", "bin"].contains(&room.as_str()) {
            continue;
        }
        let (_, allowed) =
            ROOMS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("{file}: a room without a floor"));
        for named in named_rooms(&source) {
            assert!(
                named == room || allowed.contains(&named.as_str()),
                "{file} in {room} must not name crate::{named}"
            );
        }
    }
}

#[test]
fn only_the_edge_knows_the_runtime() {
    for (file, (room, source)) in sources() {
        if ["edge", "lib"].contains(&room.as_str()) {
            continue;
        }
        for word in ["worker::", "wasm_bindgen", "web_sys", "js_sys", "target_arch", "SystemTime", "Instant"] {
            // The program has the only other clock, in a file of its own.
            let clock = file == "bin/x402-edge/prices/clock.rs" && word == "SystemTime";
            assert!(clock || !source.contains(word), "{file} names {word}");
        }
    }
}

#[test]
fn money_and_facts_have_no_floats_and_nothing_below_the_ports_waits() {
    for (file, (room, source)) in sources() {
        if ["client", "evm", "money", "network", "time", "x402", "schemes", "transports", "extensions", "prices"]
            .contains(&room.as_str())
        {
            assert!(!source.contains("async "), "{file} is async");
            assert!(!source.contains("f64") && !source.contains("f32"), "{file} has floats");
        }
    }
}

#[test]
fn the_reader_of_imports_reads_groups() {
    let source = "use crate::{a::{B, C}, d, e::F}; use crate::g::h; crate::i::J";
    assert_eq!(named_rooms(source), ["a", "d", "e", "g", "i"]);
}
