//! The live document: KV, on this machine or at Cloudflare, as wrangler sees it.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{clock::UtcTime, wrangler};
use crate::{
    failure::Failure,
    terminal::{Ink, paint, say},
};

/// The Worker's binding, as in wrangler.toml.
const BINDING: &str = "PRICES";

/// The document's key.
const KEY: &str = "prices";

/// Where the live document is.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct Place {
    /// The KV of `wrangler dev` and `npm start` on this machine (the default, and then it is said).
    #[arg(long, conflicts_with = "remote")]
    pub(crate) local: bool,
    /// The KV at Cloudflare, which the deployed Worker reads.
    #[arg(long)]
    pub(crate) remote: bool,
    /// Folder of the local state, where it is not wrangler's own (.wrangler/state).
    #[arg(long, value_name = "FOLDER", conflicts_with = "remote")]
    persist_to: Option<PathBuf>,
    /// Wrangler's configuration file, where it is not found from here upwards.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Environment in wrangler's configuration.
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// KV namespace by its id, where the configuration does not have it.
    #[arg(long, value_name = "ID")]
    namespace_id: Option<String>,
}

impl Place {
    /// Whether somebody has said which one.
    pub(crate) const fn is_named(&self) -> bool {
        self.local || self.remote
    }

    /// What to call it.
    pub(crate) const fn name(&self) -> &'static str {
        if self.remote { "remote" } else { "local" }
    }

    /// Says which place is meant, where nobody has.
    pub(crate) fn say_default(&self) {
        if !self.is_named() {
            say(&paint_for_stderr("using the local KV of this machine (--local); --remote is the deployed site's"));
        }
    }

    /// The live document's text; nothing where there is none.
    pub(crate) fn document(&self) -> Result<Option<String>, Failure> {
        self.get(KEY)
    }

    /// A value; nothing where there is none.
    pub(crate) fn get(&self, key: &str) -> Result<Option<String>, Failure> {
        let bytes = match wrangler::run(&self.arguments(&["kv", "key", "get", key])) {
            // What wrangler prints for a key that is not there, with exit code 0. It is no JSON, so no document.
            Ok(answer) if answer.stdout == b"Value not found\n" => return Ok(None),
            Ok(answer) => answer.stdout,
            Err(refused) if refused.text.contains(" - 404: ") => {
                // At Cloudflare the key is missing, or the namespace; only without the namespace listing fails too.
                self.list(key)?;
                return Ok(None);
            }
            Err(refused) => return Err(refused.into()),
        };
        String::from_utf8(bytes).map(Some).map_err(|_| Failure::outside(format!("the value of {key} is not UTF-8")))
    }

    /// Writes the live document.
    pub(crate) fn put_document(&self, text: &str) -> Result<(), Failure> {
        self.put(KEY, text, None)
    }

    /// Writes a value, with metadata that `list` gives back.
    pub(crate) fn put(&self, key: &str, text: &str, metadata: Option<&Value>) -> Result<(), Failure> {
        let file = TemporaryFile::with(text)?;
        let mut arguments = self.arguments(&["kv", "key", "put", key]);
        arguments.extend(["--path".into(), file.path.clone().into()]);
        if let Some(metadata) = metadata {
            arguments.extend(["--metadata".into(), metadata.to_string().into()]);
        }
        wrangler::run(&arguments)?;
        Ok(())
    }

    /// The keys that begin with `prefix`, with their metadata, in the order of their names.
    pub(crate) fn list(&self, prefix: &str) -> Result<Vec<(String, Value)>, Failure> {
        let answer = wrangler::run(&self.arguments(&["kv", "key", "list", "--prefix", prefix]))?;
        let list: Vec<Value> = serde_json::from_slice(&answer.stdout)
            .map_err(|error| Failure::outside(format!("wrangler's list of keys cannot be read: {error}")))?;
        let mut keys: Vec<(String, Value)> = list
            .into_iter()
            .filter_map(|mut key| Some((key["name"].as_str()?.to_owned(), key["metadata"].take())))
            .collect();
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(keys)
    }

    /// Deletes a value.
    pub(crate) fn delete(&self, key: &str) -> Result<(), Failure> {
        wrangler::run(&self.arguments(&["kv", "key", "delete", key]))?;
        Ok(())
    }

    /// Wrangler's arguments for a command on the namespace.
    fn arguments(&self, command: &[&str]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = command.iter().map(Into::into).collect();
        match &self.namespace_id {
            Some(id) => arguments.extend(["--namespace-id".into(), id.into()]),
            None => arguments.extend(["--binding".into(), BINDING.into()]),
        }
        arguments.extend(self.place_arguments());
        arguments
    }

    /// The arguments that say where: the same for KV and D1.
    pub(crate) fn place_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![if self.remote { "--remote" } else { "--local" }.into()];
        let paths = [("--persist-to", &self.persist_to), ("--config", &self.config)];
        for (name, path) in paths.into_iter().filter_map(|(name, path)| path.as_ref().map(|path| (name, path))) {
            arguments.extend([name.into(), path.into()]);
        }
        if let Some(env) = &self.env {
            arguments.extend(["--env".into(), env.into()]);
        }
        arguments
    }
}

fn paint_for_stderr(text: &str) -> String {
    // `paint` looks at stdout; where that is a terminal, stderr nearly always is the same one.
    paint(Ink::Dim, text)
}

/// A file for wrangler to read a value from: a command line would be too short for a document.
struct TemporaryFile {
    path: PathBuf,
}

impl TemporaryFile {
    fn with(text: &str) -> Result<Self, Failure> {
        let name = format!("x402-edge-{}-{}", std::process::id(), UtcTime::now().as_key());
        let path = std::env::temp_dir().join(name.replace(':', "-"));
        write_new(&path, text)
            .map_err(|error| Failure::usage(format!("{} cannot be written: {error}", path.display())))?;
        Ok(Self { path })
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // Left behind where it cannot be removed: it is in the system's folder for that.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes a file that must not be there yet, readable by its owner only: somebody else's link is not followed.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}
