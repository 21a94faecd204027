//! Small libraries that stand in for CUDA's, so that the CPU part of the CUDA build loads without it.
//!
//! `libtorch_cpu.so` of the Linux wheel asks the dynamic linker for `libcudart.so.13` and `libcupti.so.13` (the profiler uses
//! them). The stubs carry those names and symbol versions and the 26 functions it leaves undefined
//! (`nm -D --undefined-only libtorch_cpu.so`); each answers that there is no device.

use crate::command;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

struct Stub {
    /// The library's file name, its soname and the version of its symbols.
    soname: &'static str,
    /// What functions that fill in something do, in C.
    special: &'static [&'static str],
    /// Functions that do nothing but return `error`.
    plain: &'static [&'static str],
    /// The library's code for "there is nothing to work with".
    error: u32,
}

const STUBS: [Stub; 2] = [
    Stub {
        soname: "libcudart.so.13",
        special: &[
            "int cudaGetDeviceCount(int *count) { if (count) *count = 0; return 100; }",
            "int cudaDriverGetVersion(int *version) { if (version) *version = 0; return 100; }",
            "int cudaRuntimeGetVersion(int *version) { if (version) *version = 0; return 100; }",
            "const char *cudaGetErrorString(int error) { (void)error; return \"no CUDA-capable device is detected\"; }",
        ],
        plain: &["cudaDeviceSynchronize", "cudaGetDeviceProperties"],
        // cudaErrorNoDevice
        error: 100,
    },
    Stub {
        soname: "libcupti.so.13",
        special: &[
            "int cuptiGetVersion(unsigned *version) { if (version) *version = 0; return 15; }",
            "int cuptiGetResultString(int result, const char **text) { (void)result; if (text) *text = \"CUPTI is not there\"; return 0; }",
        ],
        plain: &[
            "cuptiActivityDisable",
            "cuptiActivityEnable",
            "cuptiActivityEnableCudaEventDeviceTimestamps",
            "cuptiActivityEnableDriverApi",
            "cuptiActivityEnableRuntimeApi",
            "cuptiActivityFlushAll",
            "cuptiActivityGetNextRecord",
            "cuptiActivityGetNumDroppedRecords",
            "cuptiActivityPopExternalCorrelationId",
            "cuptiActivityPushExternalCorrelationId",
            "cuptiActivityRegisterCallbacks",
            "cuptiActivityRegisterTimestampCallback",
            "cuptiActivitySetAttribute",
            "cuptiEnableCallback",
            "cuptiEnableDomain",
            "cuptiFinalize",
            "cuptiSubscribe",
            "cuptiUnsubscribe",
        ],
        // CUPTI_ERROR_NOT_INITIALIZED
        error: 15,
    },
];

impl Stub {
    fn source(&self) -> String {
        let mut source = self.special.join("\n");
        for name in self.plain {
            // Nobody looks at the arguments, and the calling convention lets them be ignored.
            write!(source, "\nint {name}(void) {{ return {}; }}", self.error)
                .expect("a String takes all");
        }
        source.push('\n');
        source
    }

    fn version_script(&self) -> String {
        format!("{} {{ global: *; }};\n", self.soname)
    }
}

/// Compiles the stubs and the small `libtorch.so` into `lib`, which holds the CPU libraries already.
pub fn build(lib: &Path) -> Result<()> {
    for stub in &STUBS {
        compile_stub(stub, lib)?;
    }
    // Programs are linked with -ltorch: an empty library that brings in the real one, from its own folder.
    let source = lib.join("libtorch.c");
    std::fs::write(&source, "")?;
    command::output(
        compiler(&source, &lib.join("libtorch.so"))
            .args([
                "-Wl,-soname,libtorch.so",
                "-Wl,--no-as-needed",
                "-Wl,--enable-new-dtags",
                "-Wl,-rpath,$ORIGIN",
            ])
            .arg(format!("-L{}", lib.display()))
            .args(["-ltorch_cpu", "-lc10"])
            .arg(format!("-Wl,-rpath-link,{}", lib.display())),
    )?;
    std::fs::remove_file(source).context("could not tidy up")
}

fn compile_stub(stub: &Stub, lib: &Path) -> Result<()> {
    let source = lib.join(format!("{}.c", stub.soname));
    let versions = lib.join(format!("{}.map", stub.soname));
    std::fs::write(&source, stub.source())?;
    std::fs::write(&versions, stub.version_script())?;
    command::output(
        compiler(&source, &lib.join(stub.soname))
            .arg(format!("-Wl,-soname,{}", stub.soname))
            .arg(format!("-Wl,--version-script={}", versions.display())),
    )?;
    std::fs::remove_file(source)?;
    std::fs::remove_file(versions).context("could not tidy up")
}

fn compiler(source: &Path, library: &Path) -> Command {
    // An explicit CC is the builder's own wish; gcc is what the README asks for.
    let mut command = Command::new(std::env::var_os("CC").unwrap_or_else(|| "gcc".into()));
    command
        .args(["-shared", "-fPIC", "-O2", "-fno-builtin", "-o"])
        .arg(library)
        .arg(source);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_functions_are_there_once() {
        let names: Vec<String> = STUBS
            .iter()
            .flat_map(|stub| {
                let source = stub.source();
                source.lines().map(str::to_owned).collect::<Vec<_>>()
            })
            .map(|line| {
                let head = line.split('(').next().unwrap();
                head.rsplit([' ', '*']).next().unwrap().to_owned()
            })
            .collect();
        let unique: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!((names.len(), unique.len()), (26, 26));
        assert!(
            names
                .iter()
                .all(|name| name.starts_with("cuda") || name.starts_with("cupti"))
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_compiled_stub_has_the_name_and_the_versions_the_linker_asks_for() {
        for stub in &STUBS {
            let dir = tempfile::tempdir().unwrap();
            compile_stub(stub, dir.path()).unwrap();
            let library = dir.path().join(stub.soname);
            let defined = command::output(
                Command::new("nm")
                    .args(["-D", "--defined-only"])
                    .arg(&library),
            )
            .unwrap();
            for name in stub.plain {
                assert!(
                    defined.contains(&format!("{name}@@{}", stub.soname)),
                    "{name}\n{defined}"
                );
            }
            let dynamic = command::output(Command::new("readelf").arg("-d").arg(&library)).unwrap();
            assert!(dynamic.contains(&format!("[{}]", stub.soname)), "{dynamic}");
            assert_eq!(
                std::fs::read_dir(dir.path()).unwrap().count(),
                1,
                "sources are tidied up"
            );
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_program_that_asks_hears_that_there_is_no_device() {
        let dir = tempfile::tempdir().unwrap();
        compile_stub(&STUBS[0], dir.path()).unwrap();
        let source = dir.path().join("ask.c");
        std::fs::write(
            &source,
            "int cudaGetDeviceCount(int *); int main(void) { int n = 7; return cudaGetDeviceCount(&n) == 100 && n == 0 ? 0 : 1; }",
        )
        .unwrap();
        let program = dir.path().join("ask");
        command::output(
            Command::new("gcc")
                .arg(&source)
                .arg(dir.path().join(STUBS[0].soname))
                .arg(format!("-Wl,-rpath,{}", dir.path().display()))
                .arg("-o")
                .arg(&program),
        )
        .unwrap();
        command::output(&mut Command::new(program)).unwrap();
    }
}
