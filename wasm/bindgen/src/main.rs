//! Makes the page's JavaScript from a wasm module: `kurier-bindgen MODULE.wasm FOLDER`.
//!
//! It is the part of wasm-bindgen's command that is needed here; the command itself takes five times as long to
//! build. The version must be the one that the module was built with.
use std::process::ExitCode;
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [module, folder] = arguments.as_slice() else {
        eprintln!("usage: kurier-bindgen MODULE.wasm FOLDER");
        return ExitCode::from(2);
    };
    let made = Bindgen::new()
        .input_path(module)
        .out_name("kurier_wasm")
        .web(true)
        .map(|bindgen| bindgen.typescript(false).remove_name_section(true).remove_producers_section(true))
        .and_then(|bindgen| bindgen.generate(folder));
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kurier-bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}
