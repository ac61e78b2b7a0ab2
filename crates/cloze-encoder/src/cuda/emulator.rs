//! A device without a GPU: the kernels, compiled by the machine's C++ compiler, run on the processor
//! (`kernels/cuda/emulator.hpp`). For tests: every access that the host asks for is checked against what was allocated,
//! and a kernel's writes behind an allocation are noticed.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, c_char, c_uint, c_void};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use libloading::{Library, Symbol};
use rayon::prelude::*;

use super::device::{Address, Arguments, Device, Launch, Number, Operand, Product, Program};
use crate::error::{EncoderError, Result};

/// What stands before the kernels.
const HEADER: &str = include_str!("../../kernels/cuda/emulator.hpp");

/// Options of the compiler: fast enough for tests, each operation rounded on its own, and pointers may be cast.
const OPTIONS: [&str; 9] = [
    "-std=c++17",
    "-O2",
    "-fPIC",
    "-shared",
    "-fvisibility=hidden",
    "-fno-strict-aliasing",
    "-fno-math-errno",
    "-ffp-contract=off",
    "-DCLOZE_EMULATED",
];

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

/// A kernel as the header exports it: grid along x and y, threads, bytes of shared memory, arguments. Returns null or
/// what went wrong, in memory of the library's that the next launch overwrites.
type Run = unsafe extern "C" fn(c_uint, c_uint, c_uint, c_uint, *mut *mut c_void) -> *const c_char;

/// A compiled program.
struct Kernels {
    /// By name.
    run: HashMap<String, Run>,
    /// The kernels' state is global: one launch at a time.
    turn: Mutex<()>,
    /// Where the functions live.
    _library: Library,
}

/// Live allocations.
#[derive(Default)]
struct Memory {
    /// Sizes in bytes, by first address.
    sizes: BTreeMap<u64, usize>,
    /// What went wrong where no error could be returned; the next call that waits returns it.
    trouble: Option<EncoderError>,
}

/// Runs kernels on the processor, each call at once.
pub(crate) struct Emulator {
    kernels: Arc<Kernels>,
    memory: Mutex<Memory>,
}

/// The C++ compiler to use: `$CXX` (with options, if it has any), else `c++`, else `g++`; the first that runs.
pub(crate) fn compiler() -> Option<String> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let runs = |name: &String| {
        command(name).arg("--version").output().is_ok_and(|answer| answer.status.success())
    };
    let find = || match std::env::var("CXX") {
        Ok(chosen) if !chosen.trim().is_empty() => Some(chosen).filter(runs),
        _ => ["c++", "g++"].map(String::from).into_iter().find(runs),
    };
    FOUND.get_or_init(find).clone()
}

/// A command from its words.
fn command(words: &str) -> Command {
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

/// Locks; a test that failed while it held the lock leaves nothing half-done behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failure(call: impl Into<String>, problem: impl ToString) -> EncoderError {
    EncoderError::Device { call: call.into(), problem: problem.to_string() }
}

/// Names of the kernels: what stands between `extern "C" __global__ void`, launch bounds left out, and a parenthesis.
fn kernel_names(source: &str) -> Vec<&str> {
    let name = |rest: &'_ str| -> Option<(usize, usize)> {
        let mut text = rest.trim_start().strip_prefix("void")?.trim_start();
        if let Some(bounds) = text.strip_prefix("__launch_bounds__") {
            let mut depth = 0;
            let end = bounds.find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                c == ')' && depth == 0
            })?;
            text = bounds[end + 1..].trim_start();
        }
        let start = rest.len() - text.len();
        Some((start, start + text.find('(')?))
    };
    let kernels = source.split("extern \"C\" __global__").skip(1);
    kernels.filter_map(|rest| name(rest).map(|(start, end)| rest[start..end].trim_end())).collect()
}

/// The whole text for the compiler. The kernels stand in a namespace without a name, so that nothing in them is merged
/// with the like of another library, and static shared memory may share a section. Kernels that the macros leave out are
/// found as absent, in the namespace around.
fn translation_unit(source: &str) -> String {
    let list = |macro_name: &str| -> String {
        kernel_names(source).iter().map(|name| format!("{macro_name}({name})\n")).collect()
    };
    let (absent, exports) = (list("EMULATE_ABSENT"), list("EMULATE"));
    format!(
        "{HEADER}\nnamespace emulated {{\n{absent}namespace kernels {{ namespace {{\n#line 1 \"kernels.cu\"\n{source}\n}}\n\
         #line 1 \"exports\"\n{exports}}} }}\n"
    )
}

/// The compiled library's file: made once for all processes of this user.
fn built(compiler: &str, text: &str, defines: &[String], key: u64) -> Result<PathBuf> {
    let folder = std::env::temp_dir();
    let library = folder.join(format!("cloze-emulated-{key:016x}.so"));
    if is_own(&library) {
        return Ok(library);
    }
    let io = |error: std::io::Error| failure(format!("compile kernels in {}", folder.display()), error);
    let scratch = tempfile::Builder::new().prefix("cloze-emulated-").tempdir_in(&folder).map_err(io)?;
    let (source, output) = (scratch.path().join("kernels.cpp"), scratch.path().join("kernels.so"));
    std::fs::write(&source, text).map_err(io)?;
    let mut call = command(compiler);
    let answer = call.args(OPTIONS).args(defines).arg(&source).arg("-o").arg(&output).output().map_err(io)?;
    if !answer.status.success() {
        return Err(failure("compile kernels", String::from_utf8_lossy(&answer.stderr)));
    }
    std::fs::rename(&output, &library).map_err(io)?;
    Ok(library)
}

/// Whether the file is there and this user's: anybody may write to the folder of temporary files.
#[cfg(target_os = "linux")]
fn is_own(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    // SAFETY: no arguments, cannot fail.
    let user = unsafe { libc::geteuid() };
    std::fs::symlink_metadata(file).is_ok_and(|found| found.is_file() && found.uid() == user)
}

/// Never: elsewhere nobody knows whose the file is, and each process compiles its own.
#[cfg(not(target_os = "linux"))]
fn is_own(_: &Path) -> bool {
    false
}

impl Kernels {
    fn load(file: &Path, names: &[&str]) -> Result<Self> {
        let broken = |error: libloading::Error| failure(format!("load {}", file.display()), error);
        // SAFETY: our own compiler's output, without initializers or finalizers.
        let library = unsafe { Library::new(file) }.map_err(broken)?;
        let mut run = HashMap::new();
        for name in names {
            // SAFETY: `EMULATE` gives every kernel this type.
            let symbol: Symbol<'_, Run> =
                unsafe { library.get(format!("emulated_{name}\0")) }.map_err(broken)?;
            run.insert((*name).to_owned(), *symbol);
        }
        Ok(Self { run, turn: Mutex::new(()), _library: library })
    }

    /// The program, compiled at most once at a time in this process.
    fn of(program: &Program) -> Result<Arc<Self>> {
        type Slot = Arc<Mutex<Option<Arc<Kernels>>>>;
        static ALL: OnceLock<Mutex<HashMap<u64, Slot>>> = OnceLock::new();
        let Some(compiler) = compiler() else {
            let problem = "the emulator needs a C++ compiler: set CXX to one, or install g++ or clang++";
            return Err(EncoderError::NoDevice(problem.to_owned()));
        };
        let text = translation_unit(&program.source);
        let defines: Vec<_> =
            program.defines.iter().map(|(name, value)| format!("-D{name}={value}")).collect();
        let mut hasher = DefaultHasher::new();
        (&compiler, OPTIONS, &text, &defines).hash(&mut hasher);
        let key = hasher.finish();
        let slot = Arc::clone(lock(ALL.get_or_init(Mutex::default)).entry(key).or_default());
        let mut kernels = lock(&slot);
        if let Some(kernels) = &*kernels {
            return Ok(Arc::clone(kernels));
        }
        let file = built(&compiler, &text, &defines, key)?;
        let loaded = Arc::new(Self::load(&file, &kernel_names(&program.source))?);
        *kernels = Some(Arc::clone(&loaded));
        Ok(loaded)
    }
}

impl Memory {
    /// Checks that a range lies in one live allocation.
    fn check(&self, call: &str, at: Address, bytes: usize) -> Result<()> {
        let end = at.0.checked_add(bytes as u64);
        let problem = match self.sizes.range(..=at.0).next_back() {
            Some((&start, &size)) if end.is_some_and(|end| end <= start + size as u64) => return Ok(()),
            Some((&start, &size)) => format!("outside of the allocation before it, {size} bytes at {start:#x}"),
            None => "outside of any allocation".to_owned(),
        };
        Err(failure(call, format!("{bytes} bytes at {:#x}: {problem}", at.0)))
    }

    /// Checks the bytes behind an allocation.
    fn check_guard(start: u64, size: usize) -> Result<()> {
        // SAFETY: `GUARD` bytes behind each live allocation belong to it.
        let guard = unsafe { std::slice::from_raw_parts((start as usize + size) as *const u8, GUARD) };
        match guard.iter().position(|&byte| byte != GUARD_BYTE) {
            None => Ok(()),
            Some(at) => Err(failure(
                "a kernel",
                format!("wrote {at} bytes behind the end of the {size} bytes at {start:#x}"),
            )),
        }
    }

    /// What went wrong so far, anywhere.
    fn settle(&mut self) -> Result<()> {
        if let Some(trouble) = self.trouble.take() {
            return Err(trouble);
        }
        self.sizes.iter().try_for_each(|(&start, &size)| Self::check_guard(start, size))
    }

    /// Gives an allocation back, and remembers what was wrong with it.
    fn free(&mut self, address: Address) {
        let Some(size) = self.sizes.remove(&address.0) else {
            let problem = format!("{:#x} is not the beginning of an allocation", address.0);
            self.trouble.get_or_insert(failure("free", problem));
            return;
        };
        if let Err(error) = Self::check_guard(address.0, size) {
            self.trouble.get_or_insert(error);
        }
        if let Ok(layout) = layout(size) {
            // SAFETY: allocated with this layout, and no longer in the map.
            unsafe { dealloc(address.0 as *mut u8, layout) };
        }
    }
}

/// An allocation with its guard.
fn layout(bytes: usize) -> Result<Layout> {
    bytes
        .checked_add(GUARD)
        .and_then(|all| Layout::from_size_align(all, GUARD).ok())
        .ok_or_else(|| failure("allocate", format!("{bytes} bytes: more than there are addresses")))
}

/// An operand's numbers as floats, row-major without gaps, `[rows, columns]` as the product takes it.
fn operand(from: Operand, number: Number, rows: usize, columns: usize, check: &Check<'_>) -> Result<Vec<f32>> {
    let (stored_rows, stored_columns) = if from.transposed { (columns, rows) } else { (rows, columns) };
    check(from.at, extent(stored_rows, stored_columns, from.stride) * number.bytes())?;
    let (down, right) = if from.transposed { (1, from.stride) } else { (from.stride, 1) };
    let mut all = Vec::with_capacity(rows * columns);
    for i in 0..rows {
        // SAFETY: the whole extent was checked.
        all.extend((0..columns).map(|j| unsafe { read(from.at, number, i * down + j * right) }));
    }
    Ok(all)
}

/// Elements from a matrix's first to its last.
fn extent(rows: usize, columns: usize, stride: usize) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1) * stride + columns }
}

/// # Safety
/// Number `index` from `at` on must lie in an allocation.
unsafe fn read(at: Address, number: Number, index: usize) -> f32 {
    let from = at.offset(index * number.bytes()).0;
    // SAFETY: the caller's word.
    unsafe {
        match number {
            Number::F32 => (from as *const f32).read(),
            Number::Bf16 => f32::from_bits(u32::from((from as *const u16).read()) << 16),
        }
    }
}

/// # Safety
/// As for [`read`], and nobody else may use it.
unsafe fn write(at: Address, number: Number, index: usize, value: f32) {
    let to = at.offset(index * number.bytes()).0;
    // SAFETY: the caller's word.
    unsafe {
        match number {
            Number::F32 => (to as *mut f32).write(value),
            Number::Bf16 => (to as *mut u16).write(bf16(value)),
        }
    }
}

/// Rounds to the nearest bfloat16, ties to even; NaN stays NaN.
fn bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16 | 0x40) as u16;
    }
    ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16) as u16
}

/// Checks a range for use in a product.
type Check<'a> = dyn Fn(Address, usize) -> Result<()> + 'a;

/// The product, in plain loops.
fn multiply(product: &Product, check: &Check<'_>) -> Result<()> {
    let &Product { size: [m, n, k], input, output, a, b, c, c_stride, adds, bias } = product;
    if m == 0 || n == 0 {
        return Ok(());
    }
    let (left, right) = (operand(a, input, m, k, check)?, operand(b, input, k, n, check)?);
    check(c, extent(m, n, c_stride) * output.bytes())?;
    if bias != Address::NONE {
        check(bias, n * output.bytes())?;
    }
    let row = |i: usize| {
        let mut sums = vec![0.0f32; n];
        for (&x, others) in left[i * k..][..k].iter().zip(right.chunks_exact(n)) {
            sums.iter_mut().zip(others).for_each(|(sum, y)| *sum += x * y);
        }
        for (j, sum) in sums.into_iter().enumerate() {
            // SAFETY: both extents were checked, and each row of C is one call's alone.
            unsafe {
                let old = if adds { read(c, output, i * c_stride + j) } else { 0.0 };
                let extra = if bias == Address::NONE { 0.0 } else { read(bias, output, j) };
                write(c, output, i * c_stride + j, sum + old + extra);
            }
        }
    };
    if m * n * k > PARALLEL {
        (0..m).into_par_iter().for_each(row);
    } else {
        (0..m).for_each(row);
    }
    Ok(())
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
        // SAFETY: the kernel reads its arguments, whose number and sizes it checks. That it keeps to the allocations
        // that they name is the engine's part, as on a GPU.
        let message = unsafe {
            run(x as c_uint, y as c_uint, threads as c_uint, shared as c_uint, pointers.as_mut_ptr())
        };
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
        all.into_iter().for_each(|start| memory.free(Address(start)));
    }
}
