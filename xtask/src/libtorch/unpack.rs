//! Which parts of the wheel are kept, and where they go.

use super::wheel::bytes_bar;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use zip::ZipArchive;

/// The CPU part of the Linux wheel. `libtorch.so` is made anew: the wheel's own asks for the CUDA library.
pub const LINUX_LIBRARIES: [&str; 3] = ["libtorch_cpu.so", "libc10.so", "libgomp.so.1"];

/// Where an entry of the wheel goes in libtorch's folder; `None` for what nobody here needs (CUDA, Python, tools).
fn destination(entry: &str) -> Option<PathBuf> {
    if entry.ends_with('/') || entry.split('/').any(|part| part == "..") {
        return None;
    }
    if let Some(header) = entry.strip_prefix("torch/include/") {
        return Some(Path::new("include").join(header));
    }
    if let Some(name) = entry.strip_prefix("torch/lib/") {
        return is_kept_library(name).then(|| Path::new("lib").join(name));
    }
    // Libtorch is passed on with our bundles, so its licence has to be at hand.
    let (folder, name) = entry.rsplit_once('/')?;
    (folder.contains(".dist-info") && matches!(name, "LICENSE" | "NOTICE"))
        .then(|| PathBuf::from(name))
}

fn is_kept_library(name: &str) -> bool {
    let stem = name
        .split('.')
        .next()
        .unwrap_or(name)
        .trim_start_matches("lib");
    if name.contains('/') || matches!(stem, "torch_python" | "shm" | "torch_global_deps") {
        return false;
    }
    if name.contains(".so") {
        LINUX_LIBRARIES.contains(&name)
    } else if name.ends_with(".lib") {
        // Import libraries: of the many in the Windows wheel, the linker is asked for these.
        matches!(stem, "c10" | "torch" | "torch_cpu")
    } else {
        name.ends_with(".dylib") || name.ends_with(".dll")
    }
}

/// Unpacks what is kept of `wheel` into the new folder `to`.
pub fn unpack(wheel: &Path, to: &Path) -> Result<()> {
    let file = File::open(wheel).with_context(|| format!("could not open {}", wheel.display()))?;
    let mut archive = ZipArchive::new(io::BufReader::new(file))
        .with_context(|| format!("{} is no wheel", wheel.display()))?;

    let mut kept = Vec::new();
    let mut bytes = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        if let Some(place) = destination(&entry.name()?) {
            bytes += entry.size();
            kept.push((index, place));
        }
    }
    if !kept.iter().any(|(_, place)| place.starts_with("lib")) {
        bail!("{} holds no libraries under torch/lib", wheel.display());
    }

    let bar = bytes_bar(bytes, "unpacking");
    for (index, place) in kept {
        let path = to.join(&place);
        fs::create_dir_all(path.parent().unwrap_or(to))?;
        let mut entry = archive.by_index(index)?;
        let mut out =
            File::create(&path).with_context(|| format!("could not write {}", path.display()))?;
        // The archive's own checksum of each entry is checked at its end.
        io::copy(&mut bar.wrap_read(&mut entry), &mut out)
            .with_context(|| format!("could not unpack {}", place.display()))?;
        #[cfg(unix)]
        if place.starts_with("lib") {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_cpu_part_is_kept_on_every_system() {
        for name in [
            "libtorch_cpu.so",
            "libc10.so",
            "libgomp.so.1",
            "libtorch_cpu.dylib",
            "libtorch.dylib",
            "libc10.dylib",
            "libomp.dylib",
            "torch_cpu.dll",
            "c10.dll",
            "libiomp5md.dll",
            "uv.dll",
            "torch_cpu.lib",
            "c10.lib",
            "torch.lib",
        ] {
            assert_eq!(
                destination(&format!("torch/lib/{name}")),
                Some(Path::new("lib").join(name))
            );
        }
        assert_eq!(
            destination("torch/include/ATen/ATen.h"),
            Some("include/ATen/ATen.h".into())
        );
        assert_eq!(
            destination("torch-2.11.0.dist-info/licenses/LICENSE"),
            Some("LICENSE".into())
        );
        assert_eq!(
            destination("torch-2.11.0.dist-info/NOTICE"),
            Some("NOTICE".into())
        );
    }

    #[test]
    fn cuda_python_and_tools_are_left_out() {
        for entry in [
            "torch/lib/libtorch_cuda.so",
            "torch/lib/libtorch.so",
            "torch/lib/libtorch_python.so",
            "torch/lib/torch_python.dll",
            "torch/lib/libshm.dylib",
            "torch/lib/shm.dll",
            "torch/lib/libtorch_global_deps.so",
            "torch/lib/sleef.lib",
            "torch/lib/libshm/shm.h",
            "torch/lib/",
            "torch/bin/protoc",
            "torch/nn/modules/LICENSE",
            "torch/include/../../../evil.h",
        ] {
            assert_eq!(destination(entry), None, "{entry}");
        }
    }

    #[test]
    fn unpacking_writes_what_is_kept_and_refuses_a_foreign_archive() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = dir.path().join("a.whl");
        let archive = |entries: &[(&str, &str)]| {
            let mut zip = zip::ZipWriter::new(File::create(&wheel).unwrap());
            for (name, text) in entries {
                zip.start_file(*name, zip::write::SimpleFileOptions::default())
                    .unwrap();
                zip.write_all(text.as_bytes()).unwrap();
            }
            zip.finish().unwrap();
        };
        archive(&[
            ("torch/lib/libc10.so", "elf"),
            ("torch/lib/libtorch_cuda.so", "big"),
        ]);
        let to = dir.path().join("out");
        unpack(&wheel, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("lib/libc10.so")).unwrap(), "elf");
        assert!(!to.join("lib/libtorch_cuda.so").exists());

        archive(&[("readme", "not torch")]);
        assert!(
            unpack(&wheel, &to)
                .unwrap_err()
                .to_string()
                .contains("torch/lib")
        );
    }
}
