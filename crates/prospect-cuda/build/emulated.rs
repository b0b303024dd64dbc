//! The kernels over rows as C++ for the CPU: kernels/emulated.h.

pub(crate) fn compile() {
    println!("cargo::rerun-if-changed=kernels");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .define("PROSPECT_EMULATED", None)
        // By its name it is CUDA.
        .flag("-xc++")
        // It takes stacks that change for stacks that are broken.
        .flag("-U_FORTIFY_SOURCE")
        .file("kernels/rows.cu")
        .compile("prospectrows");
}
