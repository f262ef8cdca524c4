//! `x402-edge`: the core of the Worker as a program. Prices are written, checked and put with it; payments are
//! looked at offline.

mod failure;
mod payment;
mod prices;
mod terminal;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The x402-edge paywall on your machine: the same code that runs in the Worker.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write, check, put and look at prices.
    #[command(subcommand)]
    Prices(Box<prices::Command>),
    /// Look at payments.
    #[command(subcommand)]
    Payment(payment::Command),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Prices(command) => prices::run(*command),
        Command::Payment(command) => payment::run(&command),
    }
}
