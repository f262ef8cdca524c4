//! `bindgen <in.wasm> <out-dir>`: writes `index.js` and `index_bg.wasm` with wasm-bindgen's own library.
//!
//! Why not the `wasm-bindgen` program or `worker-build`: `docs/decisions/0002-build.md`.

use std::{env, process::ExitCode};

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [input, out_dir] = args.as_slice() else {
        eprintln!("usage: bindgen <in.wasm> <out-dir>");
        return ExitCode::from(2);
    };
    let result = Bindgen::new()
        .input_path(input)
        .module(true)
        .map(|bindgen| {
            bindgen
                .typescript(false)
                .out_name("index")
                // Both let the shim start the module afresh after a panic.
                .reset_state_function(true)
                .force_enable_abort_handler(true)
        })
        .and_then(|bindgen| bindgen.generate(out_dir));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bindgen: {input}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
