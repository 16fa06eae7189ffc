//! `tenstep-wasm-bindgen <input.wasm> <out dir> <name>`: writes the JavaScript glue of a wasm module.
//!
//! wasm-bindgen demands that the tool and the library agree to the patch version. Cargo.lock holds both,
//! so they agree by construction.

mod names;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, out_dir, name] = arguments.as_slice() else {
        eprintln!("usage: tenstep-wasm-bindgen <input.wasm> <out dir> <name>");
        return ExitCode::from(2);
    };
    match write_glue(input, out_dir, name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wasm-bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write_glue(input: &str, out_dir: &str, name: &str) -> Result<(), Box<dyn Error>> {
    let mut bindgen = Bindgen::new();
    let mut output =
        bindgen.input_path(input).out_name(name).typescript(true).web(true)?.generate_output()?;
    let imports = output.wasm_mut().imports.iter_mut();
    let renamed = names::without_hashes(imports.map(|import| &mut import.name));
    output.emit(out_dir)?;
    let glue = Path::new(out_dir).join(format!("{name}.js"));
    let text = std::fs::read_to_string(&glue)?;
    std::fs::write(glue, names::replaced(text, &renamed))?;
    Ok(())
}
