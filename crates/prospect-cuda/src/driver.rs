//! Is there a driver, and the device that is asked for? Looked for before candle opens the device, which would panic.

use std::sync::{Mutex, MutexGuard, PoisonError};

use candle_core::Device;
use candle_core::cuda_backend::cudarc::driver::{result, sys};
use candle_core::cuda_backend::cudarc::{cublas, curand};

/// Why there is no GPU to compute on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// No libcuda.
    #[error("no CUDA driver found")]
    NoDriver,
    /// A libcuda that does not work: no device, or not the kernel's version.
    #[error("the CUDA driver does not start: {message}")]
    Start {
        /// What it says.
        message: String,
    },
    /// Fewer devices than that.
    #[error("no CUDA device {index}: the driver has {devices}")]
    NoDevice {
        /// The one that is asked for.
        index: usize,
        /// How many there are.
        devices: usize,
    },
    /// A driver, but not what the computation needs besides.
    #[error("no {library} found: expected it in the system's folders or in LD_LIBRARY_PATH")]
    NoLibrary {
        /// Its file.
        library: &'static str,
    },
    /// The device cannot be opened.
    #[error("cannot open CUDA device {index}: {message}")]
    Open {
        /// The device.
        index: usize,
        /// What the driver says.
        message: String,
    },
}

/// Whether the device `index` can be opened.
///
/// # Errors
/// The first thing that is missing.
pub fn check(index: usize) -> Result<(), DriverError> {
    // SAFETY: looks whether a library can be loaded; NVIDIA's run nothing of interest when they are.
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

/// Opens the device `index`: a stream of its own every time.
///
/// # Errors
/// As [`check`], and [`DriverError::Open`].
pub fn open(index: usize) -> Result<Device, DriverError> {
    check(index)?;
    let _alone = alone();
    let device = Device::new_cuda_with_stream(index)
        .map_err(|error| DriverError::Open { index, message: one_line(&error) })?;
    if let Device::Cuda(cuda) = &device {
        // SAFETY: what is computed in a device's stream stays in it, in its order, and crosses to another one by `Handover` only, so that
        // no event of every tensor has to keep streams apart.
        #[allow(unsafe_code)]
        unsafe {
            cuda.disable_event_tracking();
        }
    }
    Ok(device)
}

/// Opening a device waits for all others of the GPU, which nobody may do while one of them is captured.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Memory of a device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// In use by every process together.
    pub used: usize,
    /// Of the device.
    pub total: usize,
}

/// Memory of the device; `None` if it is no CUDA device or the driver does not say.
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
        // On a machine with one, a device that no machine has.
        let error = check(4096).unwrap_err();
        assert!(matches!(
            error,
            DriverError::NoDriver | DriverError::Start { .. } | DriverError::NoDevice { .. }
        ));
        assert_eq!(error.to_string().lines().count(), 1);
    }
}
