//! `x402-edge`: the core of the Worker as a program, for looking at payments offline.

mod payment;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The x402-edge paywall, offline: the same code that runs in the Worker.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Look at payments.
    #[command(subcommand)]
    Payment(payment::Command),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Payment(command) => payment::run(&command),
    }
}
