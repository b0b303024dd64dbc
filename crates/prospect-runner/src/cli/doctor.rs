//! `prospect-runner doctor`: what this machine and this build offer.

use std::process::{Command, Stdio};

use prospect_foreign::one_line;
use prospect_model::{ComputeDevice, Placement, Precision, cpu_product_rate, has_cuda, threads};

use super::say::print_fitted;
use crate::operations::of_silent_frame;
use crate::published::{SIZES, Size};
use crate::version::{VERSION, features, kernels};

/// Tokens in the cache before the frame whose time is estimated.
const CACHED_TOKENS: usize = 2048;
/// Prints one line for each thing. Nothing here fails: what cannot be found out is said.
pub(super) fn doctor() {
    let rate = cpu_product_rate(Precision::F32).ok();
    let rows = [
        ("program", program()),
        ("processor", processor(rate)),
        ("memory", memory()),
        ("ffmpeg", ffmpeg()),
        ("GPU", gpu()),
        ("hub", hub()),
    ];
    for (name, value) in rows {
        print_fitted(&format!("{name:<10}  {value}"));
    }
    for size in &SIZES {
        print_fitted(&format!("{:<10}  {}", size.name, checkpoint(size, rate)));
    }
}

fn program() -> String {
    let (architecture, system) = (std::env::consts::ARCH, std::env::consts::OS);
    format!("prospect-runner {VERSION}, {architecture} {system}, features: {}", features())
}

fn processor(rate: Option<f64>) -> String {
    let rate = rate.map(|rate| format!(", {:.0} GFLOP/s in f32", rate / 1e9)).unwrap_or_default();
    format!("{} threads, instructions: {}{rate}", threads(), kernels())
}

fn memory() -> String {
    let found = std::fs::read_to_string("/proc/meminfo").ok();
    let gibibytes = |name: &str| {
        let line = found.as_ref()?.lines().find(|line| line.starts_with(name))?;
        let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kibibytes / f64::from(1 << 20))
    };
    match (gibibytes("MemTotal:"), gibibytes("MemAvailable:")) {
        (Some(total), Some(free)) => format!("{total:.1} GiB, {free:.1} GiB of them free"),
        _ => "unknown on this system".to_owned(),
    }
}

fn ffmpeg() -> String {
    let run = Command::new("ffmpeg").arg("-version").stdin(Stdio::null()).output();
    match run {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            let version = text.lines().next().unwrap_or_default().split(" Copyright").next();
            format!("{}: reads what is not built in", one_line(version.unwrap_or_default()))
        }
        Ok(output) => format!("does not work: {}", output.status),
        Err(_) => "not found: mp4 with H.264, y4m, GIF, WebP and images work without it".to_owned(),
    }
}

fn gpu() -> String {
    if !has_cuda() {
        return "not in this build (docs/gpu.md): everything runs on the CPU".to_owned();
    }
    let first = Placement { device: ComputeDevice::Cuda(0), ..Placement::default() };
    match first.check_device() {
        Ok(()) => "cuda:0 is used where model.device is \"auto\"".to_owned(),
        Err(error) => format!("none that can be used: {}", one_line(error)),
    }
}

fn hub() -> String {
    match prospect_hub::Environment::of_this_process() {
        Ok(environment) => {
            let network = if environment.offline { "offline" } else { "downloads what is missing" };
            format!("{}, {network}", environment.cache.display())
        }
        Err(error) => one_line(error),
    }
}

/// Whether a published checkpoint is here, and the pace at which this CPU would run it.
fn checkpoint(size: &Size, rate: Option<f64>) -> String {
    let place = match prospect_hub::resolve(size.hub_id) {
        Some(_) => "here",
        None => "not downloaded",
    };
    let pace = rate.zip(size.config().ok()).map(|(rate, config)| {
        let operations = of_silent_frame(&config, CACHED_TOKENS);
        format!(", a silent frame takes at least {:.1} s on this CPU in f32", operations / rate)
    });
    format!("{}: {place}{}", size.hub_id, pace.unwrap_or_default())
}
