//! An NVIDIA GPU through CUDA's driver, opened at run time.

mod compile;
mod found;
mod graph;
mod library;
mod pinned;
mod products;

use super::device::{Address, Arguments, Device, Launch, Product, Program};
use crate::error::{EncoderError, Result};
use cudarc::driver::sys;
use cudarc::driver::sys::CUdevice_attribute_enum as Attribute;
pub use found::Gpu;
use graph::{Graphs, Seen};
use pinned::Pinned;
use products::{Products, WORKSPACE};
use std::collections::HashMap;
use std::ffi::{CStr, CString, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Oldest GPUs: the first with bfloat16 on tensor cores.
const OLDEST: i32 = 8;
/// Bytes from which a copy to the GPU goes through memory that the GPU reads by itself.
const PINNED_FROM: usize = 64 << 10;
/// Shared memory that a kernel may have without asking.
const ORDINARY_SHARED: usize = 48 << 10;

/// See the [module's documentation](self). One stream; calls come from one thread at a time.
pub(super) struct CudaDevice {
    device: sys::CUdevice,
    context: sys::CUcontext,
    stream: sys::CUstream,
    module: sys::CUmodule,
    workspace: u64,
    shared_memory: usize,
    name: String,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Functions by name, with the shared memory that they were granted.
    functions: HashMap<&'static str, (sys::CUfunction, usize)>,
    products: Option<Products>,
    graphs: Graphs,
    pinned: Pinned,
}

// SAFETY: the driver's handles may be used from any thread whose current context is theirs, which every call sees to; the
// caches are behind a lock.
unsafe impl Send for CudaDevice {}

impl CudaDevice {
    /// Opens GPU number `ordinal` and compiles `program` for it.
    ///
    /// # Errors
    /// [`EncoderError::NoDevice`] with what is missing, [`EncoderError::Device`].
    pub(super) fn open(ordinal: usize, program: &Program) -> Result<Self> {
        let gpus = gpus()?;
        let Some(gpu) = gpus.get(ordinal) else {
            return Err(EncoderError::NoDevice(format!("GPU number {ordinal} of {}", gpus.len())));
        };
        gpu.check()?;
        let _turn = graph::Turn::take();
        let device = found::handle(ordinal as i32)?;
        let shared =
            attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)? as usize;
        let code = compile::compile(program, gpu.capability)?;
        let (mut context, mut stream, mut module) =
            (std::ptr::null_mut(), std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: as above; the code is a whole image.
        unsafe {
            check("take the context", sys::cuDevicePrimaryCtxRetain(&raw mut context, device))?;
            check("use the context", sys::cuCtxSetCurrent(context))?;
            let flags = sys::CUstream_flags_enum::CU_STREAM_NON_BLOCKING as u32;
            check("make a stream", sys::cuStreamCreate(&raw mut stream, flags))?;
            check("load the kernels", sys::cuModuleLoadData(&raw mut module, code.as_ptr().cast()))?;
        }
        let mut opened = Self {
            device,
            context,
            stream,
            module,
            workspace: 0,
            shared_memory: shared,
            name: gpu.name.clone(),
            inner: Mutex::new(Inner {
                functions: HashMap::new(),
                products: None,
                graphs: Graphs::default(),
                pinned: Pinned::default(),
            }),
        };
        opened.workspace = opened.allocate(WORKSPACE)?.0;
        opened.lock().products = Some(Products::new()?);
        Ok(opened)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the context the thread's, and keeps other threads from recording meanwhile.
    fn enter(&self) -> Result<graph::Turn> {
        let turn = graph::Turn::take();
        // SAFETY: the context is live.
        check("use the context", unsafe { sys::cuCtxSetCurrent(self.context) })?;
        Ok(turn)
    }

    /// A kernel, with `shared` bytes of shared memory granted.
    fn function(&self, name: &'static str, shared: usize) -> Result<sys::CUfunction> {
        let mut inner = self.lock();
        let (function, granted) = if let Some(known) = inner.functions.get(name) {
            *known
        } else {
            let mut function = std::ptr::null_mut();
            let text = CString::new(name).map_err(|_| EncoderError::NoDevice(name.to_owned()))?;
            // SAFETY: the module is live.
            let result = unsafe { sys::cuModuleGetFunction(&raw mut function, self.module, text.as_ptr()) };
            check(name, result)?;
            (function, ORDINARY_SHARED)
        };
        if shared > granted {
            let attribute = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function is live.
            check(name, unsafe { sys::cuFuncSetAttribute(function, attribute, shared as i32) })?;
        }
        inner.functions.insert(name, (function, granted.max(shared)));
        Ok(function)
    }
}

impl Device for CudaDevice {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        let _turn = self.enter()?;
        let mut address = 0;
        let size = bytes.max(1);
        // SAFETY: places to write to; what is cleared was just allocated.
        unsafe {
            let result = sys::cuMemAlloc_v2(&raw mut address, size);
            if result == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY {
                let (mut free, mut total) = (0, 0);
                sys::cuMemGetInfo_v2(&raw mut free, &raw mut total);
                let mib = |bytes: usize| bytes >> 20;
                let problem = format!(
                    "{} MiB wanted, {} of {} MiB free: use a smaller batch or model, or the processor \
                     (--device cpu)",
                    mib(size),
                    mib(free),
                    mib(total)
                );
                return Err(EncoderError::Device { call: "allocate".to_owned(), problem });
            }
            check("allocate", result)?;
            check("clear", sys::cuMemsetD8Async(address, 0, size, self.stream))?;
        }
        Ok(Address(address))
    }

    fn free(&self, address: Address) {
        // Without a context there is nothing left to free.
        if let Ok(_turn) = self.enter() {
            // SAFETY: the address is of `allocate`; the driver waits for what still uses it.
            unsafe { sys::cuMemFree_v2(address.0) };
        }
    }

    fn upload(&self, to: Address, bytes: &[u8]) -> Result<()> {
        let _turn = self.enter()?;
        if bytes.is_empty() {
            return Ok(());
        }
        if bytes.len() >= PINNED_FROM {
            return self.lock().pinned.upload(to.0, bytes, self.stream);
        }
        // SAFETY: from pageable memory, the driver has copied the bytes away when the call returns.
        let result =
            unsafe { sys::cuMemcpyHtoDAsync_v2(to.0, bytes.as_ptr().cast(), bytes.len(), self.stream) };
        check("copy to the GPU", result)
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        let _turn = self.enter()?;
        if !bytes.is_empty() {
            // SAFETY: the bytes are written before `synchronize` returns.
            let result = unsafe {
                sys::cuMemcpyDtoHAsync_v2(bytes.as_mut_ptr().cast(), from.0, bytes.len(), self.stream)
            };
            check("copy from the GPU", result)?;
        }
        self.synchronize()
    }

    fn clear(&self, at: Address, bytes: usize) -> Result<()> {
        let _turn = self.enter()?;
        // SAFETY: the caller's range is within an allocation.
        check("clear", unsafe { sys::cuMemsetD8Async(at.0, 0, bytes, self.stream) })
    }

    fn launch(&self, kernel: &'static str, launch: Launch, arguments: &Arguments) -> Result<()> {
        let _turn = self.enter()?;
        let function = self.function(kernel, launch.shared)?;
        let mut pointers: Vec<*mut c_void> = arguments.pointers();
        let [x, y] = launch.grid.map(|blocks| blocks as u32);
        // SAFETY: the arguments are the kernel's, as the engine's tests show on every device; they are copied by the call.
        let result = unsafe {
            let (threads, shared) = (launch.threads as u32, launch.shared as u32);
            let (arguments, none) = (pointers.as_mut_ptr(), std::ptr::null_mut());
            sys::cuLaunchKernel(function, x, y, 1, threads, 1, 1, shared, self.stream, arguments, none)
        };
        check(kernel, result)
    }

    fn multiply(&self, product: &Product) -> Result<()> {
        let _turn = self.enter()?;
        match &mut self.lock().products {
            Some(products) => products.multiply(product, self.workspace, self.stream),
            None => Err(EncoderError::NoDevice("cuBLASLt is not open".to_owned())),
        }
    }

    fn repeat(&self, key: u64, work: &dyn Fn() -> Result<()>) -> Result<()> {
        // With a turn: old graphs may be given back, which would disturb one that another thread records.
        let seen = self.enter().map(|_turn| self.lock().graphs.seen(key))?;
        match seen {
            // What is looked up on the way is looked up now: nothing may be when launches are recorded.
            Seen::Never => return work(),
            Seen::Once => {
                let graph = graph::record(self.stream, || self.enter().and_then(|_turn| work()))?;
                self.lock().graphs.insert(key, graph);
            }
            Seen::Recorded => {}
        }
        let _turn = self.enter()?;
        self.lock().graphs.replay(key, self.stream)
    }

    fn forget(&self) {
        if let Ok(_turn) = self.enter() {
            self.lock().graphs = Graphs::default();
        }
    }

    fn shared_memory(&self) -> usize {
        self.shared_memory
    }

    fn synchronize(&self) -> Result<()> {
        let _turn = self.enter()?;
        // SAFETY: the stream is live.
        check("wait", unsafe { sys::cuStreamSynchronize(self.stream) })?;
        self.lock().pinned.is_free();
        Ok(())
    }
}

impl Drop for CudaDevice {
    fn drop(&mut self) {
        let Ok(_turn) = self.enter() else { return };
        // What is queued may use all of it.
        // SAFETY: the stream is live.
        unsafe { sys::cuStreamSynchronize(self.stream) };
        self.lock().products = None;
        self.lock().graphs = Graphs::default();
        self.lock().pinned = Pinned::default();
        // SAFETY: each is this structure's own and is given back once.
        unsafe {
            sys::cuMemFree_v2(self.workspace);
            sys::cuModuleUnload(self.module);
            sys::cuStreamDestroy_v2(self.stream);
            sys::cuDevicePrimaryCtxRelease_v2(self.device);
        }
    }
}

/// The GPUs of this machine, too old ones as well.
///
/// # Errors
/// [`EncoderError::NoDevice`] with what is missing and what to do about it.
pub(super) fn gpus() -> Result<Vec<Gpu>> {
    let _turn = graph::Turn::take();
    found::all()
}

fn attribute(device: sys::CUdevice, attribute: sys::CUdevice_attribute_enum) -> Result<i32> {
    let mut value = 0;
    // SAFETY: a place to write to.
    check("ask the GPU", unsafe { sys::cuDeviceGetAttribute(&raw mut value, attribute, device) })?;
    Ok(value)
}

fn name(device: sys::CUdevice) -> Result<String> {
    let mut bytes = [0u8; 256];
    // SAFETY: room for the length that is told.
    let result = unsafe { sys::cuDeviceGetName(bytes.as_mut_ptr().cast(), bytes.len() as i32, device) };
    check("ask the GPU", result)?;
    Ok(CStr::from_bytes_until_nul(&bytes).unwrap_or_default().to_string_lossy().into_owned())
}

fn check(call: &str, result: sys::CUresult) -> Result<()> {
    if result == sys::CUresult::CUDA_SUCCESS {
        return Ok(());
    }
    let mut text = std::ptr::null();
    // SAFETY: a place to write to; what is written is the library's own static text.
    let problem = unsafe {
        sys::cuGetErrorString(result, &raw mut text);
        if text.is_null() {
            format!("{result:?}")
        } else {
            format!("{result:?}: {}", CStr::from_ptr(text).to_string_lossy())
        }
    };
    Err(EncoderError::Device { call: call.to_owned(), problem: problem + advice(result) })
}

/// What to do about a failure after which the GPU answers this process no more.
fn advice(result: sys::CUresult) -> &'static str {
    use sys::CUresult as R;
    match result {
        R::CUDA_ERROR_DEVICE_UNAVAILABLE
        | R::CUDA_ERROR_ECC_UNCORRECTABLE
        | R::CUDA_ERROR_HARDWARE_STACK_ERROR
        | R::CUDA_ERROR_CONTEXT_IS_DESTROYED
        | R::CUDA_ERROR_LAUNCH_FAILED
        | R::CUDA_ERROR_ILLEGAL_ADDRESS
        | R::CUDA_ERROR_UNKNOWN => {
            ". The GPU is lost to this process: look at it with nvidia-smi, then go on from the last checkpoint with \
             --resume, or on the processor with --device cpu"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_gpu_has_a_way_out_and_an_ordinary_failure_only_its_name() {
        // The driver's texts need the driver; the advice does not.
        assert!(advice(sys::CUresult::CUDA_ERROR_ECC_UNCORRECTABLE).contains("--resume"));
        assert_eq!(advice(sys::CUresult::CUDA_ERROR_INVALID_VALUE), "");
    }
}
