//! A device without a GPU: the kernels, compiled by the machine's C++ compiler, run on the processor
//! (`kernels/cuda/emulator.hpp`). For tests: every access that the host asks for is checked against what was allocated,
//! and a kernel's writes behind an allocation are noticed.

mod kernels;
mod memory;
mod products;

use crate::cuda::device::{Address, Arguments, Device, Launch, Product, Program};
use crate::error::{EncoderError, Result};
use kernels::{Kernels, Stacks};
use memory::{Memory, layout};
use products::multiply;
use std::alloc::alloc_zeroed;
use std::ffi::{CStr, c_uint};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Shared memory of a block, as on common GPUs.
const SHARED: usize = 100 << 10;

/// Most blocks along x and y, as on GPUs.
const MOST_BLOCKS: [usize; 2] = [i32::MAX as usize, 65_535];

/// Bytes behind each allocation that must keep [`GUARD_BYTE`]; also the alignment.
const GUARD: usize = 256;

/// As floats of any width, NaN: what a kernel reads behind an allocation shows.
const GUARD_BYTE: u8 = 0xFF;

/// Multiplications and additions from which a product is worth several threads.
const PARALLEL: usize = 1_000_000;

/// Runs kernels on the processor, each call at once.
pub(crate) struct Emulator {
    kernels: Arc<Kernels>,
    memory: Mutex<Memory>,
}

/// Locks; a test that failed while it held the lock leaves nothing half-done behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::needless_pass_by_value, reason = "texts of any kind")]
fn failure(call: impl Into<String>, problem: impl ToString) -> EncoderError {
    EncoderError::Device { call: call.into(), problem: problem.to_string() }
}

impl Emulator {
    /// Compiles the kernels, or finds them compiled.
    ///
    /// # Errors
    /// No compiler, or its messages.
    pub(crate) fn compile(program: &Program) -> Result<Self> {
        Ok(Self { kernels: Kernels::of(program)?, memory: Mutex::default() })
    }
}

impl Device for Emulator {
    fn name(&self) -> String {
        "emulator of CUDA on the processor".to_owned()
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        let layout = layout(bytes)?;
        // SAFETY: the layout has a size, for the guard.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() {
            return Err(failure("allocate", format!("{bytes} bytes: there is not that much memory")));
        }
        // SAFETY: the guard is the allocation's last part.
        unsafe { start.add(bytes).write_bytes(GUARD_BYTE, GUARD) };
        lock(&self.memory).sizes.insert(start as u64, bytes);
        Ok(Address(start as u64))
    }

    fn free(&self, address: Address) {
        lock(&self.memory).free(address);
    }

    fn upload(&self, to: Address, bytes: &[u8]) -> Result<()> {
        lock(&self.memory).check("upload", to, bytes.len())?;
        // SAFETY: the range was checked, and nobody holds references into it.
        unsafe { std::ptr::copy(bytes.as_ptr(), to.0 as *mut u8, bytes.len()) };
        Ok(())
    }

    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()> {
        let mut memory = lock(&self.memory);
        memory.settle()?;
        memory.check("download", from, bytes.len())?;
        // SAFETY: the range was checked, and nobody holds references into it.
        unsafe { std::ptr::copy(from.0 as *const u8, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    fn clear(&self, at: Address, bytes: usize) -> Result<()> {
        lock(&self.memory).check("clear", at, bytes)?;
        // SAFETY: the range was checked, and nobody holds references into it.
        unsafe { (at.0 as *mut u8).write_bytes(0, bytes) };
        Ok(())
    }

    fn launch(&self, kernel: &'static str, launch: Launch, arguments: &Arguments) -> Result<()> {
        let Some(run) = self.kernels.run.get(kernel) else {
            return Err(failure(format!("launch {kernel}"), "the program has no such kernel"));
        };
        let Launch { grid: [x, y], threads, shared } = launch;
        if x == 0 || y == 0 || x > MOST_BLOCKS[0] || y > MOST_BLOCKS[1] || threads > 1024 || shared > SHARED {
            let most = format!("at most {MOST_BLOCKS:?} blocks, 1024 threads and {SHARED} bytes");
            return Err(failure(format!("launch {kernel}"), format!("{launch:?}: {most}")));
        }
        let mut pointers = arguments.pointers();
        pointers.push(std::ptr::null_mut());
        let _turn = lock(&self.kernels.turn);
        let mut stacks = Stacks::take();
        let (x, y, threads, shared) = (x as c_uint, y as c_uint, threads as c_uint, shared as c_uint);
        // SAFETY: the kernel reads its arguments, whose number and sizes it checks. That it keeps to the allocations
        // that they name is the engine's part, as on a GPU.
        let message = unsafe { run(x, y, threads, shared, pointers.as_mut_ptr(), &raw mut *stacks) };
        if message.is_null() {
            return Ok(());
        }
        // SAFETY: a string of the library's, unchanged while this launch has its turn.
        let message = unsafe { CStr::from_ptr(message) };
        Err(failure(format!("launch {kernel}"), message.to_string_lossy()))
    }

    fn multiply(&self, product: &Product) -> Result<()> {
        let memory = lock(&self.memory);
        multiply(product, &|at, bytes| memory.check("multiply", at, bytes))
    }

    fn repeat(&self, _key: u64, work: &dyn Fn() -> Result<()>) -> Result<()> {
        work()
    }

    fn forget(&self) {}

    fn shared_memory(&self) -> usize {
        SHARED
    }

    fn synchronize(&self) -> Result<()> {
        lock(&self.memory).settle()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        let mut memory = lock(&self.memory);
        let all: Vec<_> = memory.sizes.keys().copied().collect();
        for start in all {
            memory.free(Address(start));
        }
    }
}
