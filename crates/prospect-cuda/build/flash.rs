//! Compiles `kernels/` against the headers that candle-flash-attn ships: the sources of a dependency that need not be built.

use std::path::PathBuf;
use std::process::Command;

use cudaforge::{GpuArch, KernelBuilder, detect_compute_cap};
use serde_json::Value;

/// CUTLASS 3.5.0, which candle-flash-attn 0.11 compiles against.
const CUTLASS_COMMIT: &str = "7d49e6c7e2f8896c47f586706e67e1fb215529dc";
/// A folder of CUTLASS's headers, for builds without GitHub.
const CUTLASS: &str = "PROSPECT_CUTLASS";
/// The compute capabilities to build for, as in `80,86,89,90`; without it, the one that candle's kernels are built for.
const CAPABILITIES: &str = "PROSPECT_CUDA_CAPABILITIES";

/// As candle-flash-attn compiles them.
const OPTIONS: [&str; 10] = [
    "-std=c++17",
    "-O3",
    "-U__CUDA_NO_HALF_OPERATORS__",
    "-U__CUDA_NO_HALF_CONVERSIONS__",
    "-U__CUDA_NO_HALF2_OPERATORS__",
    "-U__CUDA_NO_BFLOAT16_CONVERSIONS__",
    "--expt-relaxed-constexpr",
    "--expt-extended-lambda",
    "--use_fast_math",
    "-diag-suppress=177",
];

pub(crate) fn compile() {
    println!("cargo::rerun-if-env-changed={CUTLASS}");
    println!("cargo::rerun-if-env-changed={CAPABILITIES}");
    println!("cargo::rerun-if-env-changed=CUDA_COMPUTE_CAP");
    println!("cargo::rerun-if-changed=kernels");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let capabilities = capabilities();
    let (first, others) = capabilities.split_first().expect("at least one");
    let mut builder = KernelBuilder::new()
        .source_files(["kernels/flash_bf16.cu", "kernels/flash_f16.cu"])
        .watch(["kernels/flash.cuh"])
        .out_dir(&out)
        .compute_cap_arch(first)
        .args(OPTIONS)
        .arg("-Ikernels")
        .arg(&format!("-I{}", headers().display()));
    for capability in others {
        let architecture = GpuArch::parse(capability).expect("parsed before");
        builder = builder.arg(&architecture.to_gencode_arg());
    }
    builder = match std::env::var_os(CUTLASS) {
        Some(folder) => builder.arg(&format!("-I{}", PathBuf::from(folder).display())),
        None => builder.with_cutlass(Some(CUTLASS_COMMIT)),
    };
    if let Err(error) = builder.build_lib(out.join("libprospectflash.a")) {
        panic!("flash attention: {error}");
    }
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-lib=static=prospectflash");
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

/// Where cargo has put the sources of candle-flash-attn.
fn headers() -> PathBuf {
    let cargo = std::env::var_os("CARGO").expect("cargo sets it");
    let output = Command::new(cargo).args(["metadata", "--format-version", "1", "--all-features"]).output();
    let output = match output {
        Ok(output) if output.status.success() => output,
        Ok(output) => panic!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("cargo metadata: {error}"),
    };
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut manifests = packages
        .filter(|package| package["name"] == "candle-flash-attn")
        .filter_map(|package| package["manifest_path"].as_str());
    let manifest = manifests.next().expect("it is a dependency of this crate");
    PathBuf::from(manifest).with_file_name("kernels")
}
