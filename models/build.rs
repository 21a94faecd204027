//! Lets the engine library find libtorch beside itself. Tests find the cached one through
//! `LD_LIBRARY_PATH`, which `cargo xtask` sets: an absolute path must not get into a shipped file.

fn main() {
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/libtorch/lib,--enable-new-dtags");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
