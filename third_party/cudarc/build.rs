//! Which bindings are compiled, and that libraries are loaded when they are first used.

use std::process::Command;

/// The versions of which there are bindings, the newest first: the first of a major version, which serves every later one.
const BINDINGS: [(u32, u32); 2] = [(13, 0), (12, 0)];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for variable in ["CUDARC_CUDA_VERSION", "NVCC", "CUDA_HOME", "CUDA_PATH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let version = version();
    let bindings = BINDINGS.into_iter().find(|bindings| *bindings <= version);
    let (major, minor) = bindings
        .unwrap_or_else(|| panic!("CUDA {}.{} is too old: expected 12.0 or later", version.0, version.1));
    println!("cargo::rustc-cfg=feature=\"dynamic-loading\"");
    println!("cargo::rustc-cfg=feature=\"cuda-{major}0{minor}0\"");
    println!("cargo::rustc-env=CUDA_MAJOR_VERSION={major}");
    println!("cargo::rustc-env=CUDA_MINOR_VERSION={minor}");
}

/// `CUDARC_CUDA_VERSION` (13000 is 13.0), or the compiler's.
fn version() -> (u32, u32) {
    let named = std::env::var("CUDARC_CUDA_VERSION").ok();
    let named =
        named.and_then(|text| text.parse::<u32>().ok()).map(|number| (number / 1000, number / 10 % 100));
    named.or_else(compiler_version).unwrap_or_else(|| {
        panic!("no CUDA compiler found: put nvcc in PATH, or set NVCC, CUDA_HOME or CUDARC_CUDA_VERSION")
    })
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
