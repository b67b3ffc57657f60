// SPDX-License-Identifier: GPL-2.0

//! Takes the red-black tree out of the kernel's source, whose path is in `KSRC`: its C part, as the
//! kernel's own tools compile it, and its Rust part.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    let source = PathBuf::from(variable("KSRC"));
    let out = PathBuf::from(variable("OUT_DIR"));
    let tree = source.join("tools/lib/rbtree.c");
    let wrapper = source.join("rust/kernel/rbtree.rs");

    println!("cargo::rerun-if-env-changed=KSRC");
    for input in [&tree, &wrapper, Path::new("helpers.c")] {
        println!("cargo::rerun-if-changed={}", input.display());
    }

    let objects = ["rbtree.o", "helpers.o"].map(|name| out.join(name));
    for (input, object) in [tree.as_path(), Path::new("helpers.c")]
        .iter()
        .zip(&objects)
    {
        run(Command::new("gcc")
            .args(["-O2", "-Wall", "-c", "-I"])
            .arg(source.join("tools/include"))
            .arg(input)
            .arg("-o")
            .arg(object));
    }
    let archive = out.join("libkernel_rbtree.a");
    // A member that is there already would stay.
    let _ = fs::remove_file(&archive);
    run(Command::new("ar").arg("crs").arg(archive).args(&objects));
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-lib=static=kernel_rbtree");

    // The path of a module has to be a literal.
    let module = format!("#[path = {wrapper:?}]\npub mod rbtree;\n");
    fs::write(out.join("rbtree_mod.rs"), module).expect("the output directory can be written to");
}

/// The value of a variable of the environment.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs a command that must succeed.
fn run(command: &mut Command) {
    let status = command.status();
    assert!(
        status.as_ref().is_ok_and(|status| status.success()),
        "{command:?}: {status:?}"
    );
}
