//! The memory of this process, as the operating system reports it.

/// The resident memory of this process now, in bytes; `None` if the system does not report it.
pub fn resident_memory_bytes() -> Option<u64> {
    memory_bytes("VmRSS")
}

/// The peak resident memory of this process, in bytes; `None` if the system does not report it.
pub fn peak_memory_bytes() -> Option<u64> {
    memory_bytes("VmHWM")
}

/// One line of Linux' `/proc/self/status`, in bytes.
fn memory_bytes(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
