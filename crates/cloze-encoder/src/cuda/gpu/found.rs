//! The GPUs of this machine, and whether they can be used.

use super::{OLDEST, Result, attribute, check, library, name};
use crate::error::EncoderError;
use cudarc::driver::sys;
use cudarc::driver::sys::CUdevice_attribute_enum as Attribute;
use std::fmt;

/// A GPU of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Its name.
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: [i32; 2],
    /// Bytes of memory.
    pub memory: usize,
}

impl Gpu {
    /// Refuses a GPU that is too old.
    ///
    /// # Errors
    /// [`EncoderError::NoDevice`].
    pub(in super::super) fn check(&self) -> Result<()> {
        let [major, minor] = self.capability;
        if major >= OLDEST {
            return Ok(());
        }
        Err(EncoderError::NoDevice(format!(
            "{} has compute capability {major}.{minor}, at least {OLDEST}.0 is needed",
            self.name
        )))
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ([major, minor], gib) = (self.capability, self.memory as f64 / f64::from(1 << 30));
        write!(formatter, "{}, {gib:.0} GiB, compute capability {major}.{minor}", self.name)
    }
}

/// The GPUs that the driver shows, in its order.
///
/// # Errors
/// [`EncoderError::NoDevice`] with what is missing and what to do about it.
pub(super) fn all() -> Result<Vec<Gpu>> {
    library::open()?;
    let (mut driver, mut count) = (0, 0);
    // SAFETY: the library is there, and every call gets a place to write to.
    unsafe {
        check("start", sys::cuInit(0)).map_err(|error| EncoderError::NoDevice(error.to_string()))?;
        check("ask the driver", sys::cuDriverGetVersion(&raw mut driver))?;
        check("count GPUs", sys::cuDeviceGetCount(&raw mut count))?;
    }
    compatible(driver, library::version())?;
    (0..count).map(|ordinal| describe(handle(ordinal)?)).collect()
}

/// The driver's handle of GPU number `ordinal`, after [`all`].
pub(super) fn handle(ordinal: i32) -> Result<sys::CUdevice> {
    let mut device = 0;
    // SAFETY: a place to write to.
    check("open", unsafe { sys::cuDeviceGet(&raw mut device, ordinal) })?;
    Ok(device)
}

fn describe(device: sys::CUdevice) -> Result<Gpu> {
    let mut memory = 0;
    // SAFETY: a place to write to.
    check("ask the GPU", unsafe { sys::cuDeviceTotalMem_v2(&raw mut memory, device) })?;
    let capability = [
        attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
        attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
    ];
    Ok(Gpu { name: name(device)?, capability, memory })
}

/// Refuses a driver (`1000 major + 10 minor`) that is older than the compiler's code: it would not load it.
fn compatible(driver: i32, [major, minor]: [i32; 2]) -> Result<()> {
    if driver / 1000 >= major {
        return Ok(());
    }
    Err(EncoderError::NoDevice(format!(
        "the driver is for CUDA {}.{}, the libraries found are of CUDA {major}.{minor}: update the driver, or install \
         the libraries of its version (`pip install nvidia-cuda-nvrtc-cu{0} nvidia-cublas-cu{0}`)",
        driver / 1000,
        driver % 1000 / 10
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_older_than_the_libraries_is_refused_with_the_way_out() {
        compatible(13_000, [13, 2]).unwrap();
        compatible(13_020, [12, 9]).unwrap();
        let error = compatible(12_040, [13, 0]).unwrap_err().to_string();
        assert!(error.contains("for CUDA 12.4") && error.contains("of CUDA 13.0"), "{error}");
        assert!(error.contains("nvidia-cuda-nvrtc-cu12"), "{error}");
    }

    #[test]
    fn a_gpu_says_what_it_is_and_whether_it_is_too_old() {
        let gpu = |major| Gpu { name: "GPU".to_owned(), capability: [major, 5], memory: 80 << 30 };
        assert_eq!(gpu(9).to_string(), "GPU, 80 GiB, compute capability 9.5");
        gpu(8).check().unwrap();
        assert!(gpu(7).check().unwrap_err().to_string().contains("7.5, at least 8.0"));
    }
}
