//! Why a command did not do what was asked, and the exit code for it.

use std::process::ExitCode;

/// The ways a command can fail. Problems in a document are the owner's to mend; the rest is not about prices.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The document has problems, and they have been told. Exit code 1.
    #[error("")]
    Told,
    /// What was asked for makes no sense, or a file cannot be read or written. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Wrangler or the network. Exit code 3.
    #[error("{0}")]
    Outside(String),
    /// Nobody reads what is printed any more (`| head`). Nothing to tell; exit code 0.
    #[error("")]
    NobodyReads,
}

impl Failure {
    /// A mistake in how the command was called.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::Usage(text.into())
    }

    /// Something outside did not work.
    pub(crate) fn outside(text: impl Into<String>) -> Self {
        Self::Outside(text.into())
    }

    /// Tells it on stderr and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let text = self.to_string();
        if !text.is_empty() {
            eprintln!("x402-edge: {text}");
        }
        ExitCode::from(match self {
            Self::Told => 1,
            Self::Usage(_) => 2,
            Self::Outside(_) => 3,
            Self::NobodyReads => 0,
        })
    }
}
