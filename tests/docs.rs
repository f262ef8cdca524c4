//! Names in the documentation are true: paths exist, scripts are in package.json, commands in the program.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{fs, path::Path};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for folder in ["", "docs", "docs/decisions", "tests/vectors"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                pages.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    pages
}

/// Texts between backticks, without the fences of code blocks.
fn quoted(page: &str) -> Vec<&str> {
    let mut outside = true;
    let mut found = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            outside = !outside;
        } else if outside {
            found.extend(line.split('`').skip(1).step_by(2));
        }
    }
    found
}

const OUR_FOLDERS: [&str; 7] = ["src/", "tests/", "docs/", "dev/", "examples/", ".ci/", ".cargo/"];

#[test]
fn every_path_named_in_the_documentation_exists() {
    let mut checked = 0;
    for (page, text) in pages() {
        let links = text.match_indices("](").map(|(at, _)| text[at + 2..].split(')').next().unwrap());
        let base = root().join(&page).parent().unwrap().to_owned();
        for link in links.filter(|link| !link.contains("://")) {
            assert!(base.join(link).exists(), "{page} links to {link}");
            checked += 1;
        }
        for name in quoted(&text).into_iter().flat_map(|quote| quote.split(' ')) {
            if OUR_FOLDERS.iter().any(|folder| name.starts_with(folder)) {
                assert!(root().join(name).exists(), "{page} names {name}");
                checked += 1;
            }
        }
    }
    assert!(checked > 40, "only {checked} names were found");
}

#[test]
fn every_script_named_in_the_documentation_is_in_package_json() {
    let package: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(root().join("package.json")).unwrap()).unwrap();
    let mut checked = 0;
    for (page, text) in pages() {
        for command in ["npm run ", "npm "] {
            for (at, _) in text.match_indices(command) {
                let word: String = text[at + command.len()..].chars().take_while(char::is_ascii_alphabetic).collect();
                let known = ["run", "ci", ""].contains(&word.as_str()) || !package["scripts"][&word].is_null();
                // Prose may say "npm packages"; commands stand in code.
                let code = text[..at].ends_with(['`', '\n', ' ']) && text[..at].matches('`').count() % 2 == 1;
                assert!(known || !code, "{page} names the script {word}");
                checked += usize::from(known && !word.is_empty());
            }
        }
    }
    assert!(checked > 10, "only {checked} scripts were found");
}

#[test]
fn every_source_file_of_the_core_says_what_it_is_for() {
    fn walk(folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                assert!(fs::read_to_string(&path).unwrap().starts_with("//! "), "{}", path.display());
            }
        }
    }
    walk(&root().join("src"));
}

#[test]
fn every_binding_in_wrangler_toml_is_one_the_worker_reads() {
    let wrangler = fs::read_to_string(root().join("wrangler.toml")).unwrap();
    let bindings = fs::read_to_string(root().join("src/edge/bindings.rs")).unwrap();
    for name in [
        "PRICES",
        "LEDGER",
        "PRICE_HISTORY",
        "QUOTA",
        "DB",
        "CHANNELS",
        "RECEIVER_AUTHORIZER_KEY",
        "ORIGIN",
        "ORIGIN_URL",
        "FACILITATOR_KEYS",
        "PASS_KEYS",
    ] {
        assert!(
            wrangler.contains(&format!("{name}\""))
                | wrangler.contains(&format!("{name} ="))
                | wrangler.contains(&format!("put {name}"))
                && bindings.contains(&format!("\"{name}\"")),
            "{name}"
        );
    }
    assert_eq!(
        bindings.matches(": &str = \"").count(),
        11,
        "a binding is missing from this test and from wrangler.toml"
    );
}

#[test]
fn both_wasm_bindgen_versions_are_the_same() {
    let pin = |file: &str, crate_name: &str| {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let line = text.lines().find(|line| line.starts_with(&format!("{crate_name} = "))).unwrap().to_owned();
        line.split('"').nth(1).unwrap().to_owned()
    };
    let ours = pin("Cargo.toml", "wasm-bindgen");
    assert!(ours.starts_with('='));
    assert_eq!(ours, pin("dev/bindgen/Cargo.toml", "wasm-bindgen-cli-support"));
}

#[test]
fn lock_files_record_no_download_hosts() {
    for file in ["package-lock.json", "tests/e2e/package-lock.json", "dev/bench/package-lock.json"] {
        assert!(!fs::read_to_string(root().join(file)).unwrap().contains("\"resolved\""), "{file}");
    }
}
