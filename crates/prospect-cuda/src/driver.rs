//! Checks for a CUDA driver and the requested device before candle opens the device, because candle
//! would panic without them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::Device;
use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::cuda_backend::cudarc::{cublas, curand};

/// Why no GPU can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// libcuda was not found.
    #[error("no CUDA driver found")]
    NoDriver,
    /// libcuda was found but does not work: there is no device, or its version does not match the
    /// kernel module.
    #[error("the CUDA driver does not start: {message}")]
    Start {
        /// The driver's message.
        message: String,
    },
    /// There are not that many devices.
    #[error("no CUDA device {index}: the driver has {devices}")]
    NoDevice {
        /// Index of the requested device.
        index: usize,
        /// Number of devices.
        devices: usize,
    },
    /// There is a driver, but a library that the computation needs is missing.
    #[error("no {library} found: expected it in the system's folders or in LD_LIBRARY_PATH")]
    NoLibrary {
        /// File name of the library.
        library: &'static str,
    },
    /// The device cannot be opened.
    #[error("cannot open CUDA device {index}: {message}")]
    Open {
        /// Index of the device.
        index: usize,
        /// The driver's message.
        message: String,
    },
}

/// Checks that the device `index` can be opened.
///
/// # Errors
/// [`DriverError`]: the first thing that is missing.
pub fn check(index: usize) -> Result<(), DriverError> {
    // SAFETY: this only tries to load libraries, and the initializers of NVIDIA's libraries do nothing
    // that matters here.
    #[allow(unsafe_code)]
    let (driver, cublas, curand) = unsafe {
        (sys::is_culib_present(), cublas::sys::is_culib_present(), curand::sys::is_culib_present())
    };
    if !driver {
        return Err(DriverError::NoDriver);
    }
    let failed = |error: result::DriverError| DriverError::Start { message: one_line(&error) };
    result::init().map_err(failed)?;
    let devices = result::device::get_count().map_err(failed)? as usize;
    if index >= devices {
        return Err(DriverError::NoDevice { index, devices });
    }
    for (there, library) in [(cublas, "libcublas.so"), (curand, "libcurand.so")] {
        if !there {
            return Err(DriverError::NoLibrary { library });
        }
    }
    Ok(())
}

/// Opens the device `index` with a new CUDA stream.
///
/// # Errors
/// As [`check`]; [`DriverError::Open`].
pub fn open(index: usize) -> Result<Device, DriverError> {
    check(index)?;
    let _alone = alone();
    let device = Device::new_cuda_with_stream(index)
        .map_err(|error| DriverError::Open { index, message: one_line(&error) })?;
    if let Device::Cuda(cuda) = &device {
        // SAFETY: everything that is computed in a device's CUDA stream stays in that stream and its
        // order. Only `Handover` moves a tensor to another stream. No event per tensor is therefore
        // needed to order streams.
        #[allow(unsafe_code)]
        unsafe {
            cuda.disable_event_tracking();
        }
    }
    Ok(device)
}

/// Locks against opening a device during a capture. Opening a device waits for all streams of the GPU,
/// and waiting is forbidden while one of them is being captured.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory of a device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Memory in use by all processes together.
    pub used: usize,
    /// Total memory of the device.
    pub total: usize,
}

/// Memory of the device; `None` if it is not a CUDA device or the driver does not tell.
pub fn memory(device: &Device) -> Option<Memory> {
    let Device::Cuda(cuda) = device else { return None };
    let (free, total) = cuda.cuda_stream().context().mem_get_info().ok()?;
    Some(Memory { used: total - free, total })
}

fn one_line(error: &impl ToString) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_driver_is_told_apart() {
        // No machine has a device with this index. Machines without a driver report another error.
        let error = check(4096).unwrap_err();
        assert!(matches!(
            error,
            DriverError::NoDriver | DriverError::Start { .. } | DriverError::NoDevice { .. }
        ));
        assert_eq!(error.to_string().lines().count(), 1);
    }
}
