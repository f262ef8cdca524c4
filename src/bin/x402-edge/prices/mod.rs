//! `prices …`: one file for each command, and what they share.

mod changes;
mod check;
mod clock;
mod cost;
mod diff;
mod draft;
mod explain;
mod history;
mod http;
mod import;
mod init;
mod inquiry;
mod listing;
mod live;
mod place;
mod problem;
mod program;
mod push;
mod report;
mod revenue;
mod rollback;
mod sent;
mod show;
mod source;
mod subject;
mod sums;
mod token;
mod traffic;
mod wrangler;

use std::process::ExitCode;

use clap::Subcommand;
use x402_edge::prices::version_of;

#[derive(Subcommand)]
pub(crate) enum Command {
    Init(init::Arguments),
    Check(check::Arguments),
    Show(show::Arguments),
    Explain(explain::Arguments),
    Diff(diff::Arguments),
    Push(push::Arguments),
    Rollback(rollback::Arguments),
    History(history::Arguments),
    Import(import::Arguments),
    Report(report::Arguments),
}

pub(crate) fn run(command: Command) -> ExitCode {
    let done = match command {
        Command::Init(arguments) => init::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Push(arguments) => push::run(&arguments),
        Command::Rollback(arguments) => rollback::run(&arguments),
        Command::History(arguments) => history::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
    };
    done.map_or_else(|failure| failure.report(), |()| ExitCode::SUCCESS)
}
