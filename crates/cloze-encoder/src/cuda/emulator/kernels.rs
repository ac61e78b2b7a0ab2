//! Kernels compiled by the machine's C++ compiler.

use super::{failure, lock};
use crate::cuda::device::Program;
use crate::error::{EncoderError, Result};
use libloading::{Library, Symbol};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::ffi::{c_char, c_uint, c_void};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// What stands before the kernels.
const HEADER: &str = include_str!("../../../kernels/cuda/emulator.hpp");

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

/// A kernel as the header exports it: grid along x and y, threads, bytes of shared memory, arguments, stacks. Returns null
/// or what went wrong, in memory of the library's that the next launch overwrites.
pub(super) type Run =
    unsafe extern "C" fn(c_uint, c_uint, c_uint, c_uint, *mut *mut c_void, *mut Stacks) -> *const c_char;

/// Memory for the stacks of a launch's threads, as the header has it.
#[repr(C)]
pub(super) struct Stacks {
    start: *mut u8,
    ready: c_uint,
}

// SAFETY: the memory is the process's, and no launch leaves anything behind in it that the next one reads.
unsafe impl Send for Stacks {}

impl Stacks {
    /// Some that no launch has now. There are few, however many threads launch, so that their mappings suffice.
    pub(super) fn take() -> MutexGuard<'static, Self> {
        static ALL: [Mutex<Stacks>; 16] =
            [const { Mutex::new(Stacks { start: std::ptr::null_mut(), ready: 0 }) }; 16];
        ALL.iter().find_map(|stacks| stacks.try_lock().ok()).unwrap_or_else(|| lock(&ALL[0]))
    }
}

/// A compiled program.
pub(super) struct Kernels {
    /// By name.
    pub(super) run: HashMap<String, Run>,
    /// The kernels' state is global: one launch at a time.
    pub(super) turn: Mutex<()>,
    /// Where the functions live.
    _library: Library,
}

/// The C++ compiler to use: `$CXX` (with options, if it has any), else `c++`, else `g++`; the first that runs.
pub(crate) fn compiler() -> Option<String> {
    static FOUND: OnceLock<Option<String>> = OnceLock::new();
    let runs =
        |name: &String| command(name).arg("--version").output().is_ok_and(|answer| answer.status.success());
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
        kernel_names(source).iter().flat_map(|name| [macro_name, "(", name, ")\n"]).collect()
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
    pub(super) fn of(program: &Program) -> Result<Arc<Self>> {
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
