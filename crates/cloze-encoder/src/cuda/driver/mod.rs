//! stub, replaced by the driver's author
use super::device::{Address, Arguments, Device, Launch, Product, Program};
use crate::error::{EncoderError, Result};
pub(crate) struct CudaDevice;
impl CudaDevice { pub(crate) fn open(_: usize, _: &Program) -> Result<Self> { Err(EncoderError::NoDevice("stub".to_owned())) } }
impl Device for CudaDevice {
    fn name(&self) -> String { String::new() }
    fn allocate(&self, _: usize) -> Result<Address> { unimplemented!() }
    fn free(&self, _: Address) {}
    fn upload(&self, _: Address, _: &[u8]) -> Result<()> { unimplemented!() }
    fn download(&self, _: Address, _: &mut [u8]) -> Result<()> { unimplemented!() }
    fn clear(&self, _: Address, _: usize) -> Result<()> { unimplemented!() }
    fn launch(&self, _: &'static str, _: Launch, _: &Arguments) -> Result<()> { unimplemented!() }
    fn multiply(&self, _: &Product) -> Result<()> { unimplemented!() }
    fn shared_memory(&self) -> usize { 0 }
    fn synchronize(&self) -> Result<()> { Ok(()) }
}
