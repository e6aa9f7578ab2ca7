//! Makes Rust of the committed `CodeGeneratorRequest`, so that building needs no schema compiler.

use std::env;
use std::error::Error;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use capnpc::codegen::CodeGenerationCommand;

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo sets CARGO_MANIFEST_DIR")?;
    let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let request = PathBuf::from(manifest).join("../../schema/share.cgr");
    println!("cargo::rerun-if-changed={}", request.display());
    let file = File::open(&request).map_err(|error| format!("{}: {error}", request.display()))?;
    CodeGenerationCommand::new()
        .output_directory(PathBuf::from(out))
        .run(BufReader::new(file))?;
    Ok(())
}
