//! Compiles the flash attention kernels against the CUDA headers in candle-flash-attn's sources. That
//! dependency itself need not be built.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::nvcc;

/// The commit of CUTLASS 3.5.0, which candle-flash-attn 0.11 compiles against.
const CUTLASS_COMMIT: &str = "7d49e6c7e2f8896c47f586706e67e1fb215529dc";
/// Environment variable: a folder with CUTLASS's headers, for builds that cannot reach GitHub.
const CUTLASS: &str = "PROSPECT_CUTLASS";

/// The compiler options that candle-flash-attn uses.
const OPTIONS: [&str; 8] = [
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
    nvcc::compile("prospectflash", &["flash_bf16.cu", "flash_f16.cu"], |builder| {
        let builder = builder.args(OPTIONS).arg("-Ikernels").arg(&format!("-I{}", headers().display()));
        match std::env::var_os(CUTLASS) {
            Some(folder) => builder.arg(&format!("-I{}", PathBuf::from(folder).display())),
            None => builder.with_cutlass(Some(CUTLASS_COMMIT)),
        }
    });
}

/// The folder in which cargo has put the sources of candle-flash-attn.
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
