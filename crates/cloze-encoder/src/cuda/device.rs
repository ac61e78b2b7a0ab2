//! What the engine asks of a device: memory, kernel launches and matrix products, all in order on one stream. A GPU does
//! it, or in tests the processor (see [`super::emulator`]).

use crate::error::Result;

/// An address in the device's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Address(pub(crate) u64);

impl Address {
    /// No address: a kernel leaves out what it stands for.
    pub(crate) const NONE: Self = Self(0);

    /// The address `bytes` further on.
    pub(crate) fn offset(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }
}

/// The numbers of the elements of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Number {
    /// 32-bit floating point.
    F32,
    /// bfloat16.
    Bf16,
}

impl Number {
    /// Bytes of one.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }
}

/// A kernel's arguments: each one begins in a word of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arguments {
    words: Vec<u64>,
    starts: Vec<usize>,
}

impl Arguments {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A structure of whole words, passed by value.
    pub(crate) fn words(mut self, words: &[u64]) -> Self {
        self.starts.push(self.words.len());
        self.words.extend_from_slice(words);
        self
    }

    pub(crate) fn address(self, address: Address) -> Self {
        self.words(&[address.0])
    }

    /// A 32-bit integer, signed or not.
    pub(crate) fn int(self, value: usize) -> Self {
        self.words(&[value as u64])
    }

    /// Where each argument begins, as CUDA wants to be told.
    pub(crate) fn pointers(&self) -> Vec<*mut std::ffi::c_void> {
        self.starts.iter().map(|&start| std::ptr::from_ref(&self.words[start]).cast_mut().cast()).collect()
    }
}

/// The kernels, to be compiled for the shapes in use.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Program {
    /// CUDA C++.
    pub(crate) source: String,
    /// Macros, as `-D NAME=value`.
    pub(crate) defines: Vec<(&'static str, String)>,
}

/// How many threads run a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Launch {
    /// Blocks along x and y.
    pub(crate) grid: [usize; 2],
    /// Threads of a block.
    pub(crate) threads: usize,
    /// Bytes of shared memory beyond what the kernel declares.
    pub(crate) shared: usize,
}

/// A matrix in the device's memory, row-major: element (i, j) stands at `stride · i + j`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Operand {
    pub(crate) at: Address,
    pub(crate) stride: usize,
    /// Whether the product takes the matrix's transpose.
    pub(crate) transposed: bool,
}

/// `C ← A B + β C`, or `C ← A B + bias`: A is `[m, k]`, B `[k, n]` (after transposition), C `[m, n]`. Sums are taken in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Product {
    pub(crate) size: [usize; 3],
    /// Numbers of A and B.
    pub(crate) input: Number,
    /// Numbers of C.
    pub(crate) output: Number,
    pub(crate) a: Operand,
    pub(crate) b: Operand,
    pub(crate) c: Address,
    pub(crate) c_stride: usize,
    /// Whether C's old values are added (β = 1).
    pub(crate) adds: bool,
    /// `[n]` numbers of C's type, added to each row of C; or none.
    pub(crate) bias: Address,
}

/// All calls are queued in order; only [`Device::download`] and [`Device::synchronize`] wait.
pub(crate) trait Device: Send {
    /// Name for reports.
    fn name(&self) -> String;

    /// Memory for `bytes` bytes, all 0, at a multiple of 256.
    ///
    /// # Errors
    /// If there is not that much: how much was asked for and how much there is.
    fn allocate(&self, bytes: usize) -> Result<Address>;

    /// Gives memory back.
    fn free(&self, address: Address);

    /// Copies to the device; `bytes` may change once the call returns.
    ///
    /// # Errors
    /// A failure of the device.
    fn upload(&self, to: Address, bytes: &[u8]) -> Result<()>;

    /// Copies from the device, after all that was queued before.
    ///
    /// # Errors
    /// A failure of the device, now or in anything queued before.
    fn download(&self, from: Address, bytes: &mut [u8]) -> Result<()>;

    /// Fills memory with zeros.
    ///
    /// # Errors
    /// A failure of the device.
    fn clear(&self, at: Address, bytes: usize) -> Result<()>;

    /// Runs a kernel of the engine's program.
    ///
    /// # Errors
    /// An unknown kernel, or a failure of the device.
    fn launch(&self, kernel: &'static str, launch: Launch, arguments: &Arguments) -> Result<()>;

    /// Runs a matrix product.
    ///
    /// # Errors
    /// A failure of the device.
    fn multiply(&self, product: &Product) -> Result<()>;

    /// Queues what `work` queues. Calls with the same `key` queue the same launches and products with the same arguments, so
    /// that a device may record them once.
    ///
    /// # Errors
    /// Those of `work`.
    fn repeat(&self, key: u64, work: &dyn Fn() -> Result<()>) -> Result<()>;

    /// Forgets what was recorded: addresses change.
    fn forget(&self);

    /// Most bytes of shared memory that a block may have.
    fn shared_memory(&self) -> usize;

    /// Waits for all that was queued.
    ///
    /// # Errors
    /// A failure of the device, now or in anything queued before.
    fn synchronize(&self) -> Result<()>;
}
