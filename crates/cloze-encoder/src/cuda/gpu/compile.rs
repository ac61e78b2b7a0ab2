//! The kernels, compiled by NVRTC for the GPU at hand, and kept on disk.

use super::super::device::Program;
use super::library;
use crate::error::{EncoderError, Result};
use cudarc::nvrtc::sys;
use sha2::{Digest, Sha256};
use std::ffi::{CStr, CString};
use std::path::PathBuf;

/// Machine code of `program` for compute capability `major.minor`.
///
/// # Errors
/// [`EncoderError::Device`] with the compiler's log.
pub(super) fn compile(program: &Program, [major, minor]: [i32; 2]) -> Result<Vec<u8>> {
    let architecture =
        if major == 9 && minor == 0 { "sm_90a".to_owned() } else { format!("sm_{major}{minor}") };
    let mut options = vec![format!("--gpu-architecture={architecture}"), "--std=c++17".to_owned()];
    options.extend(program.defines.iter().map(|(name, value)| format!("-D{name}={value}")));
    let path = cached(program, &options);
    if let Some(code) = path.as_ref().and_then(|path| std::fs::read(path).ok()).filter(|code| is_whole(code))
    {
        return Ok(code);
    }
    let code = compile_now(program, &options)?;
    if let Some(path) = path {
        // The cache only saves time: without room for it, the next run compiles again.
        let _ = write(&path, &code);
    }
    Ok(code)
}

/// Where the code is kept: by all that it depends on.
fn cached(program: &Program, options: &[String]) -> Option<PathBuf> {
    let [major, minor] = library::version();
    let mut hash = Sha256::new();
    hash.update(format!("{major}.{minor}\n{options:?}\n"));
    hash.update(&program.source);
    let name = format!("{:x}.cubin", hash.finalize());
    Some(dirs::cache_dir()?.join("cloze").join("kernels").join(name))
}

/// Whether a file of the cache was written to its end: the code, then its hash.
fn is_whole(code: &[u8]) -> bool {
    code.len().checked_sub(32).is_some_and(|end| Sha256::digest(&code[..end]).as_slice() == &code[end..])
}

fn write(path: &std::path::Path, code: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(std::path::Path::new("."));
    std::fs::create_dir_all(folder)?;
    let temporary = tempfile::NamedTempFile::new_in(folder)?;
    std::fs::write(temporary.path(), code)?;
    temporary.persist(path)?;
    Ok(())
}

/// The code with its hash behind it, which the driver does not read.
fn compile_now(program: &Program, options: &[String]) -> Result<Vec<u8>> {
    let problem = |problem: &str| EncoderError::Device {
        call: "compile the kernels".to_owned(),
        problem: problem.to_owned(),
    };
    let source = CString::new(program.source.as_str()).map_err(|_| problem("a zero in the source"))?;
    let options: Vec<CString> =
        options.iter().filter_map(|option| CString::new(option.as_str()).ok()).collect();
    let pointers: Vec<*const std::ffi::c_char> = options.iter().map(|option| option.as_ptr()).collect();
    let mut handle = std::ptr::null_mut();
    // SAFETY: the strings outlive the calls, and every size is the library's own.
    unsafe {
        let none = std::ptr::null();
        check(sys::nvrtcCreateProgram(
            &raw mut handle,
            source.as_ptr(),
            c"cloze.cu".as_ptr(),
            0,
            none,
            none,
        ))?;
        let result = sys::nvrtcCompileProgram(handle, pointers.len() as i32, pointers.as_ptr());
        let outcome = if result == sys::nvrtcResult::NVRTC_SUCCESS {
            let mut size = 0;
            check(sys::nvrtcGetCUBINSize(handle, &raw mut size))?;
            let mut code = vec![0u8; size];
            check(sys::nvrtcGetCUBIN(handle, code.as_mut_ptr().cast()))?;
            let hash = Sha256::digest(&code);
            code.extend_from_slice(&hash);
            Ok(code)
        } else {
            let mut size = 0;
            sys::nvrtcGetProgramLogSize(handle, &raw mut size);
            let mut log = vec![0u8; size.max(1)];
            sys::nvrtcGetProgramLog(handle, log.as_mut_ptr().cast());
            Err(problem(&CStr::from_bytes_until_nul(&log).unwrap_or_default().to_string_lossy()))
        };
        sys::nvrtcDestroyProgram(&raw mut handle);
        outcome
    }
}

fn check(result: sys::nvrtcResult) -> Result<()> {
    if result == sys::nvrtcResult::NVRTC_SUCCESS {
        return Ok(());
    }
    // SAFETY: the library's own static text.
    let text = unsafe { CStr::from_ptr(sys::nvrtcGetErrorString(result)) };
    Err(EncoderError::Device {
        call: "compile the kernels".to_owned(),
        problem: text.to_string_lossy().into_owned(),
    })
}
