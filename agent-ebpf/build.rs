//! Rebuilds when the linker changes: the object is its work as much as the compiler's.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(bpf_target_arch, values(\"x86_64\"))");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    let Some(path) = env::var_os("PATH") else {
        return;
    };
    for folder in env::split_paths(&path) {
        let linker: PathBuf = folder.join("bpf-linker");
        if linker.is_file() {
            println!("cargo::rerun-if-changed={}", linker.display());
            return;
        }
    }
}
