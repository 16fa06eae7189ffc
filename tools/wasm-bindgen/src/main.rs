//! `tenstep-wasm-bindgen <input.wasm> <out dir> <name>`: writes the JavaScript glue of a wasm module.
//!
//! wasm-bindgen demands that the tool and the library agree to the patch version. Cargo.lock holds both,
//! so they agree by construction.

use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, out_dir, name] = arguments.as_slice() else {
        eprintln!("usage: tenstep-wasm-bindgen <input.wasm> <out dir> <name>");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    let outcome = bindgen
        .input_path(input)
        .out_name(name)
        .typescript(true)
        .web(true)
        .and_then(|bindgen| bindgen.generate(out_dir));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wasm-bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}
