//! Which version of CUDA the bindings are for, and that libraries are loaded when they are first used.

use std::process::Command;

/// The versions that the bindings know, the newest first.
const KNOWN: [(u32, u32); 19] = [
    (13, 4),
    (13, 3),
    (13, 2),
    (13, 1),
    (13, 0),
    (12, 9),
    (12, 8),
    (12, 6),
    (12, 5),
    (12, 4),
    (12, 3),
    (12, 2),
    (12, 1),
    (12, 0),
    (11, 8),
    (11, 7),
    (11, 6),
    (11, 5),
    (11, 4),
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for variable in ["CUDARC_CUDA_VERSION", "NVCC", "CUDA_HOME", "CUDA_PATH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let (major, minor) = version();
    println!("cargo::rustc-cfg=feature=\"dynamic-loading\"");
    println!("cargo::rustc-cfg=feature=\"cuda-{major}0{minor}0\"");
    println!("cargo::rustc-env=CUDA_MAJOR_VERSION={major}");
    println!("cargo::rustc-env=CUDA_MINOR_VERSION={minor}");
}

/// `CUDARC_CUDA_VERSION` (13000 is 13.0), or the compiler's; of a newer one than the bindings know, the newest they do.
fn version() -> (u32, u32) {
    let named = std::env::var("CUDARC_CUDA_VERSION").ok();
    let named = named.and_then(|text| text.parse::<u32>().ok()).map(|number| (number / 1000, number / 10 % 100));
    let Some(version) = named.or_else(compiler_version) else {
        panic!("no CUDA compiler found: put nvcc in PATH, or set NVCC, CUDA_HOME or CUDARC_CUDA_VERSION");
    };
    let known = KNOWN.iter().copied().find(|known| *known <= version);
    known.unwrap_or_else(|| panic!("CUDA {}.{} is too old: expected 11.4 or later", version.0, version.1))
}

fn compiler_version() -> Option<(u32, u32)> {
    let variable = |name: &str| std::env::var(name).ok();
    let roots = [variable("CUDA_HOME"), variable("CUDA_PATH"), Some("/usr/local/cuda".to_owned())];
    let of_roots = roots.into_iter().flatten().map(|root| format!("{root}/bin/nvcc"));
    let mut compilers = variable("NVCC").into_iter().chain(["nvcc".to_owned()]).chain(of_roots);
    compilers.find_map(|compiler| {
        let output = Command::new(compiler).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let release = text.split("release ").nth(1)?.split(',').next()?;
        let (major, minor) = release.trim().split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    })
}
