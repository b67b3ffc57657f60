// SPDX-License-Identifier: GPL-2.0

//! Generates the UAPI from the kernel's own header.
//!
//! `KSRC` is a kernel source tree; the program `bindgen` is that of the distribution.

use std::{env, path::PathBuf, process::Command};

fn main() {
    let variable = |name| env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let header = PathBuf::from(variable("KSRC")).join("include/uapi/linux/android/binder.h");
    let output = PathBuf::from(variable("OUT_DIR")).join("uapi.rs");
    println!("cargo:rerun-if-env-changed=KSRC");
    println!("cargo:rerun-if-changed={}", header.display());

    let status = Command::new("bindgen")
        .args(["--allowlist-file", ".*/binder.h"])
        .args([
            "--no-layout-tests",
            "--no-doc-comments",
            "--with-derive-default",
        ])
        .arg(&header)
        .arg("--output")
        .arg(&output)
        .args(["--", "-target", &variable("TARGET")])
        .status()
        .expect("bindgen is not there");
    assert!(status.success(), "bindgen failed on {}", header.display());
}
