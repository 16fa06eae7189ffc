//! The `tenstep` command (native).
//!
//! Exit codes: 0 done, 1 failed, 2 called wrongly. Results go to standard output, everything else to standard
//! error, errors as `error[code]: message`.

mod convert;
mod generate;
mod inspect;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};
use crate::weights::Manifest;

/// Pictures from a prompt, in about ten network evaluations.
#[derive(Debug, Parser)]
#[command(name = "tenstep", version, about, after_help = "Exit codes: 0 done, 1 failed, 2 called wrongly.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a picture from a prompt
    Generate(generate::Arguments),
    /// Turn a diffusers folder into manifest.json and shards
    Convert(convert::Arguments),
    /// Say what a converted model is made of and what it costs
    Inspect(inspect::Arguments),
}

/// Runs the command that the process was called with.
pub fn main() -> ExitCode {
    // Wrong usage ends here, with code 2.
    let result = match Cli::parse().command {
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error[{}]: {error}", error.code());
            match error {
                Error::InvalidOption { .. } => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn read_manifest(path: &Path) -> Result<Manifest> {
    let failed = |message: String| Error::Io { path: path.display().to_string(), message };
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    Manifest::parse(&String::from_utf8(bytes).map_err(|error| failed(error.to_string()))?)
}

/// Bytes as people read them.
fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}
