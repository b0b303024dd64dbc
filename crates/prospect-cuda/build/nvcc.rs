//! Compiles the kernels in `kernels/` into a static library that is linked.

use std::path::{Path, PathBuf};

use cudaforge::{GpuArch, KernelBuilder, detect_compute_cap};

/// Environment variable: the compute capabilities to build for, such as `80,86,89,90`. Without it, the
/// capability that candle's kernels are built for.
const CAPABILITIES: &str = "PROSPECT_CUDA_CAPABILITIES";

/// Headers that the sources in `kernels/` include.
const HEADERS: [&str; 3] = ["flash.cuh", "emulated.h", "emulated_flash.h"];

/// Compiles `sources` of `kernels/` into `lib{name}.a`. `prepare` adds include folders and options.
pub(crate) fn compile(name: &str, sources: &[&str], prepare: impl FnOnce(KernelBuilder) -> KernelBuilder) {
    println!("cargo::rerun-if-env-changed={CAPABILITIES}");
    println!("cargo::rerun-if-env-changed=CUDA_COMPUTE_CAP");
    println!("cargo::rerun-if-changed=kernels");
    // Object files and the compiler's cache lie beside the library.
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join(name);
    std::fs::create_dir_all(&out).expect("cargo's folder can be written to");
    let capabilities = capabilities();
    let (first, others) = capabilities.split_first().expect("at least one");
    let mut builder = KernelBuilder::new()
        .source_files(sources.iter().map(|source| Path::new("kernels").join(source)))
        .watch(HEADERS.map(|header| Path::new("kernels").join(header)))
        .out_dir(&out)
        .compute_cap_arch(first)
        .args(["-std=c++17", "-O3"]);
    for capability in others {
        let architecture = GpuArch::parse(capability).expect("parsed before");
        builder = builder.arg(&architecture.to_gencode_arg());
    }
    if let Err(error) = prepare(builder).build_lib(out.join(format!("lib{name}.a"))) {
        panic!("{name}: {error}");
    }
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-lib=static={name}");
    println!("cargo::rustc-link-lib=dylib=cudart");
    println!("cargo::rustc-link-lib=dylib=stdc++");
}

fn capabilities() -> Vec<String> {
    let Ok(list) = std::env::var(CAPABILITIES) else {
        return match detect_compute_cap() {
            Ok(architecture) => {
                vec![format!("{}{}", architecture.base, architecture.suffix.unwrap_or_default())]
            }
            Err(error) => panic!("no GPU to build for: set {CAPABILITIES} or CUDA_COMPUTE_CAP: {error}"),
        };
    };
    let capabilities: Vec<String> = list.split(',').map(|text| text.trim().to_owned()).collect();
    for capability in &capabilities {
        match GpuArch::parse(capability) {
            Ok(architecture) if architecture.base >= 80 => {}
            _ => panic!("{CAPABILITIES}={list}: expected numbers of at least 80, as in 80,86,89,90"),
        }
    }
    capabilities
}
