//! Where CUDA's libraries are. They are opened by full path first, so that whoever asks for them by name later gets the same.

use crate::error::{EncoderError, Result};
use libloading::Library;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The libraries, each with the folders that hold it within a Python environment's `nvidia` folder.
const LIBRARIES: [(&str, &[&str]); 2] =
    [("libnvrtc", &["cu13/lib", "cuda_nvrtc/lib"]), ("libcublasLt", &["cu13/lib", "cublas/lib"])];
/// Major versions, the preferred first.
const VERSIONS: [&str; 2] = ["13", "12"];

/// Opens the driver, NVRTC and cuBLASLt, once.
///
/// # Errors
/// [`EncoderError::NoDevice`] for the first that is not there.
pub(super) fn open() -> Result<()> {
    static OPENED: OnceLock<Result<(), String>> = OnceLock::new();
    OPENED.get_or_init(open_all).clone().map_err(EncoderError::NoDevice)
}

/// CUDA's version that the compiler is of, once [`open`] has found it.
pub(super) fn version() -> [i32; 2] {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: two places to write to.
    unsafe { cudarc::nvrtc::sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    [major, minor]
}

fn open_all() -> Result<(), String> {
    // SAFETY: opens libraries by the names that the vendor gives them, and looks up no symbol.
    let driver = unsafe { cudarc::driver::sys::is_culib_present() };
    if !driver {
        return Err("the driver's library, libcuda.so.1, was not found: install NVIDIA's driver".to_owned());
    }
    let folders = folders();
    for (name, inner) in LIBRARIES {
        preload(name, inner, &folders);
    }
    // SAFETY: as above.
    let (compiler, products) =
        unsafe { (cudarc::nvrtc::sys::is_culib_present(), cudarc::cublaslt::sys::is_culib_present()) };
    for (name, present) in [("libnvrtc", compiler), ("libcublasLt", products)] {
        if !present {
            return Err(format!(
                "{name}.so.13 or .12 was not found on the loader's path, in $CUDA_HOME, in /usr/local/cuda or in a \
                 Python environment: install CUDA's toolkit, or `pip install nvidia-cuda-nvrtc nvidia-cublas`, and set \
                 CUDA_HOME or VIRTUAL_ENV"
            ));
        }
    }
    Ok(())
}

/// Opens a library from the first folder that has it, and keeps it open. Nothing found is no error here: the loader's own
/// path may have it.
fn preload(name: &str, inner: &[&str], folders: &[PathBuf]) {
    for version in VERSIONS {
        let file = format!("{name}.so.{version}");
        let places = folders.iter().flat_map(|folder| {
            std::iter::once(folder.clone())
                .chain(inner.iter().map(move |inner| folder.join("nvidia").join(inner)))
        });
        for path in places.map(|folder| folder.join(&file)).filter(|path| path.is_file()) {
            // SAFETY: a library of CUDA's; its initialization has no preconditions.
            if let Ok(library) = unsafe { Library::new(&path) } {
                std::mem::forget(library);
                return;
            }
        }
    }
}

/// Folders to look in: of toolkits, and `site-packages` of Python environments.
fn folders() -> Vec<PathBuf> {
    let homes = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let toolkits = homes.chain([PathBuf::from("/usr/local/cuda"), PathBuf::from("/opt/cuda")]);
    let mut folders: Vec<PathBuf> =
        toolkits.flat_map(|home| [home.join("lib64"), home.join("lib")]).collect();
    let environments = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from).into_iter();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let pythons = std::env::split_paths(&path)
        .filter(|folder| folder.join("python3").is_file())
        .filter_map(|folder| folder.parent().map(Path::to_path_buf));
    for prefix in environments.chain(pythons) {
        folders.extend(site_packages(&prefix));
    }
    folders.into_iter().filter(|folder| folder.is_dir()).collect()
}

/// The folders of packages under a Python prefix.
fn site_packages(prefix: &Path) -> Vec<PathBuf> {
    let versions = std::fs::read_dir(prefix.join("lib")).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("python3"))
        .flat_map(|entry| ["site-packages", "dist-packages"].map(|name| entry.path().join(name)))
        .collect();
    found.sort();
    found
}
