//! The `tenstep` command (native).
//!
//! Exit codes: 0 done, 1 failed, 2 called wrongly. Results go to standard output, everything else to standard
//! error, errors as `error[code]: message`.

mod backend;
mod bench;
mod compare;
mod convert;
mod generate;
mod inspect;
mod plan;
mod solvers;

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};
use crate::options::Field;
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
    /// List the methods of sampling
    Solvers(solvers::Arguments),
    /// Print the coefficients of a method
    Plan(plan::Arguments),
    /// Compare methods by their distance to the converged solution
    Compare(compare::Arguments),
    /// Time the networks and their kernels on this machine
    Bench(bench::Arguments),
}

/// Runs the command that the process was called with.
pub fn main() -> ExitCode {
    // Wrong usage ends here, with code 2.
    let result = match Cli::parse().command {
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Solvers(arguments) => solvers::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
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
    Manifest::parse(&read_text(path)?)
}

/// A file of UTF-8 text.
fn read_text(path: &Path) -> Result<String> {
    let failed =
        |error: std::io::Error| Error::Io { path: path.display().to_string(), message: error.to_string() };
    std::fs::read_to_string(path).map_err(failed)
}

/// Writes lines to standard output. Whoever reads them may close it once they have seen enough, as `head` does.
fn print(lines: &[String]) -> Result<()> {
    let text = lines.join("\n") + "\n";
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::Io { path: "standard output".to_owned(), message: error.to_string() })
        }
        _ => Ok(()),
    }
}

/// Bytes as people read them.
fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

/// Options of a method, each `name=value`.
fn named_fields(options: &[String]) -> Result<Vec<(String, Field)>> {
    options.iter().map(|option| named_field(option)).collect()
}

fn named_field(option: &str) -> Result<(String, Field)> {
    let Some((name, value)) = option.split_once('=') else {
        let accepted = "name=value".to_owned();
        return Err(Error::InvalidOption { option: "option", accepted, value: format!("{option:?}") });
    };
    let value = value.parse().map_or_else(|_| Field::Text(value.to_owned()), Field::Number);
    Ok((name.to_owned(), value))
}
