//! `prices …`: one file for each command, and what they share.

mod check;
mod clock;
mod draft;
mod history;
mod import;
mod init;
mod live;
mod place;
mod problem;
mod push;
mod rollback;
mod source;
mod wrangler;

use std::process::ExitCode;

use clap::Subcommand;
use sha2::{Digest, Sha256};

#[derive(Subcommand)]
pub(crate) enum Command {
    Init(init::Arguments),
    Check(check::Arguments),
    Push(push::Arguments),
    Rollback(rollback::Arguments),
    History(history::Arguments),
    Import(import::Arguments),
}

pub(crate) fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Push(arguments) => push::run(&arguments),
        Command::Rollback(arguments) => rollback::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
    };
    done.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}

/// A document's version: the first 12 hex digits of its SHA-256, as in the header `X-402-Prices`.
fn version_of(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..6])
}
