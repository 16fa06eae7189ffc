//! `tenstep-shader-statistics [--unchecked] [--code] <shader.wgsl> ...`; see README.md.

mod compiler;
mod spirv;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use compiler::Compiler;

/// Of a driver's many statistics those that say how well a shader fits, by Mesa's names.
const STATISTICS: [&str; 4] = ["VGPRs", "Spilled VGPRs", "Subgroups per SIMD", "Instructions"];

fn main() -> ExitCode {
    let (options, files): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let is_known = |option: &String| ["--unchecked", "--code"].contains(&option.as_str());
    if files.is_empty() || !options.iter().all(is_known) {
        eprintln!("usage: tenstep-shader-statistics [--unchecked] [--code] <shader.wgsl> ...");
        return ExitCode::from(2);
    }
    let has = |name: &str| options.iter().any(|option| option == name);
    match report(&files, !has("--unchecked"), has("--code")).and_then(|lines| print(&lines)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whoever reads may have read enough.
fn print(lines: &[String]) -> Result<(), String> {
    match writeln!(std::io::stdout(), "{}", lines.join("\n")) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn report(files: &[String], checked: bool, code: bool) -> Result<Vec<String>, String> {
    let compiler = Compiler::new()?;
    let mut lines = vec![compiler.device()];
    if !code {
        lines.push(format!("{}, shader", STATISTICS.join(", ")));
    }
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let shader = spirv::of(&text, checked).map_err(|error| format!("{file}: {error}"))?;
        let compiled = compiler.compile(&shader)?;
        if code {
            lines.push(format!("{file}\n{}", compiled.code));
            continue;
        }
        let value = |name: &&str| {
            let found = compiled.statistics.iter().find(|(other, _)| other == name);
            found.map_or("–".to_owned(), |(_, value)| value.to_string())
        };
        lines.push(format!("{}, {file}", STATISTICS.iter().map(value).collect::<Vec<_>>().join(", ")));
    }
    Ok(lines)
}
