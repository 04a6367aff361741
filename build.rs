//! Makes the folder that the console is embedded from, so that a clone compiles before the console was ever built, and has
//! the crate compiled again when the console was.

use std::{fs, io};

const CONSOLE: &str = "src/console/dist";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed={CONSOLE}");
    println!("cargo:rerun-if-changed=build.rs");
    fs::create_dir_all(CONSOLE)
}
