//! `cargo xtask kernels`: the GPU's kernels compiled by nvcc, on a machine that needs no GPU.
//!
//! The engine compiles them at run time, for the shape of its encoder. Here they are compiled for typical shapes and
//! for every architecture that is supported, and what the assembler says of each is printed: registers of a thread,
//! bytes spilled to memory, shared memory of a block.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use xshell::{Shell, cmd};

use crate::workspace;

const FOLDER: &str = "crates/cloze-encoder/kernels/cuda";
/// What the other files build on.
const COMMON: &str = "common.cu";
/// Typical encoders: a name, and the constants that the engine would define.
const SHAPES: [(&str, &str); 7] = [
    (
        "hidden 64, bfloat16",
        "BF16=1 HIDDEN=64 INTERMEDIATE=256 HEADS=2 HEAD_WIDTH=32 CAUSAL=0 DISTANCE_SLOPE=1.0f ACTIVATION=0",
    ),
    (
        "hidden 64, float32",
        "BF16=0 HIDDEN=64 INTERMEDIATE=256 HEADS=2 HEAD_WIDTH=32 CAUSAL=0 DISTANCE_SLOPE=1.0f ACTIVATION=0",
    ),
    (
        "hidden 256, bfloat16",
        "BF16=1 HIDDEN=256 INTERMEDIATE=1024 HEADS=4 HEAD_WIDTH=64 CAUSAL=0 DISTANCE_SLOPE=0.0f ACTIVATION=1",
    ),
    (
        "hidden 64, causal",
        "BF16=1 HIDDEN=64 INTERMEDIATE=64 HEADS=2 HEAD_WIDTH=32 CAUSAL=1 DISTANCE_SLOPE=0.0f ACTIVATION=2",
    ),
    (
        "hidden 128, causal, falling with distance",
        "BF16=1 HIDDEN=128 INTERMEDIATE=512 HEADS=4 HEAD_WIDTH=32 CAUSAL=1 DISTANCE_SLOPE=1.0f ACTIVATION=0",
    ),
    (
        "bert-base",
        "BF16=1 HIDDEN=768 INTERMEDIATE=3072 HEADS=12 HEAD_WIDTH=64 CAUSAL=0 DISTANCE_SLOPE=0.0f ACTIVATION=0",
    ),
    (
        "odd widths",
        "BF16=1 HIDDEN=30 INTERMEDIATE=50 HEADS=3 HEAD_WIDTH=10 CAUSAL=0 DISTANCE_SLOPE=0.0f ACTIVATION=0",
    ),
];

/// Options of `cargo xtask kernels`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The compiler [default: the environment variable `NVCC`, else `nvcc` on the path]
    #[arg(long, value_name = "PROGRAM")]
    nvcc: Option<PathBuf>,
    /// Architectures to compile for
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_values = ["sm_80", "sm_89", "sm_90", "sm_90a"])]
    architectures: Vec<String>,
}

/// What one compiled kernel takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Usage {
    /// Registers of a thread.
    registers: u32,
    /// Bytes that a thread writes to and reads from memory for want of registers.
    spilled: u32,
    /// Bytes of shared memory of a block, besides what a launch adds.
    shared: u32,
}

/// Compiles every kernel for every shape and architecture and prints a table for each shape.
///
/// # Errors
/// No nvcc, or a kernel that does not compile.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(workspace::root());
    let nvcc = arguments.nvcc.clone().or_else(|| env::var_os("NVCC").map(PathBuf::from));
    let nvcc = nvcc.unwrap_or_else(|| "nvcc".into());
    if let Err(error) = cmd!(shell, "{nvcc} --version").quiet().ignore_stdout().run() {
        bail!(
            "cannot run {}: {error}\nInstall the CUDA toolkit, or its compiler alone: pip install \
             nvidia-cuda-nvcc nvidia-nvvm nvidia-cuda-crt nvidia-cuda-runtime nvidia-cuda-cccl; then name it with \
             --nvcc or NVCC",
            nvcc.display()
        );
    }
    let scratch = shell.create_temp_dir()?;
    let source = scratch.path().join("cloze.cu");
    fs::write(&source, joined(&workspace::root().join(FOLDER))?)?;
    for (name, constants) in SHAPES {
        let mut columns = Vec::new();
        for architecture in &arguments.architectures {
            let compiled = compile(&shell, &nvcc, &source, constants, architecture);
            columns.push(compiled.with_context(|| format!("{name}, {architecture}"))?);
        }
        println!("{name}\n\n{}", table(&arguments.architectures, &columns));
    }
    Ok(())
}

/// The kernels' files as the engine joins them: the common part, then the others by name.
fn joined(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "cu"));
    files.sort_by_key(|file| (!file.ends_with(COMMON), file.clone()));
    let read =
        |file: &PathBuf| fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()));
    files.iter().map(read).collect()
}

fn compile(
    shell: &Shell,
    nvcc: &Path,
    source: &Path,
    constants: &str,
    architecture: &str,
) -> Result<BTreeMap<String, Usage>> {
    let output = source.with_extension("cubin");
    let defines = constants.split(' ').chain(["EPSILON=1e-12f"]).map(|constant| format!("-D{constant}"));
    let said = cmd!(
        shell,
        "{nvcc} -cubin -std=c++17 -arch={architecture} --resource-usage {defines...} -o {output} {source}"
    )
    .quiet()
    .ignore_status()
    .output()?;
    let text = String::from_utf8_lossy(&said.stderr);
    if !said.status.success() {
        bail!("the kernels do not compile:\n{text}");
    }
    usage(&text)
}

/// What `ptxas` says of each kernel.
fn usage(text: &str) -> Result<BTreeMap<String, Usage>> {
    let mut kernels: BTreeMap<String, Usage> = BTreeMap::new();
    let mut current = None;
    for line in text.lines() {
        if let Some(rest) = line.split("entry function '").nth(1) {
            current = rest.split('\'').next().map(str::to_owned);
        }
        let Some(name) = &current else { continue };
        let found = kernels.entry(name.clone()).or_default();
        for part in line.split(':').next_back().unwrap_or_default().split(',') {
            let mut words = part.split_whitespace().skip_while(|word| *word == "Used");
            let Some(number) = words.next().and_then(|word| word.parse::<u32>().ok()) else { continue };
            match words.collect::<Vec<_>>().as_slice() {
                ["registers"] => found.registers = number,
                ["bytes", "spill", ..] => found.spilled += number,
                ["bytes", "smem"] => found.shared = number,
                _ => {}
            }
        }
    }
    if kernels.values().any(|usage| usage.registers == 0) || kernels.is_empty() {
        bail!("nvcc does not say what the kernels take, in a form that is known here:\n{text}");
    }
    Ok(kernels)
}

/// A line for each kernel: registers, spilled bytes and shared memory on each architecture.
fn table(architectures: &[String], columns: &[BTreeMap<String, Usage>]) -> String {
    let names = columns.first().map(|kernels| kernels.keys()).into_iter().flatten();
    let width = names.clone().map(String::len).max().unwrap_or(0).max("kernel".len());
    let head = architectures.iter().map(|architecture| format!("  {architecture:>7} spilled shared"));
    let mut lines = vec![format!("{:width$}{}", "kernel", head.collect::<String>())];
    for name in names {
        let cells = columns.iter().map(|kernels| {
            let Usage { registers, spilled, shared } = kernels.get(name).copied().unwrap_or_default();
            format!("  {registers:>7} {spilled:>7} {shared:>6}")
        });
        lines.push(format!("{name:width$}{}", cells.collect::<String>()));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'join' for 'sm_80'
ptxas info    : Function properties for join
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 256 bytes smem, 480 bytes cmem[0]
ptxas info    : Compiling entry function 'gather' for 'sm_80'
ptxas info    : Function properties for gather
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 16 registers, used 0 barriers, 380 bytes cmem[0]
ptxas info    : Compile time = 1.312 ms
";

    #[test]
    fn the_assemblers_words_are_read() {
        let found = usage(SAID).unwrap();
        assert_eq!(found["join"], Usage { registers: 64, spilled: 16, shared: 256 });
        assert_eq!(found["gather"], Usage { registers: 16, spilled: 0, shared: 0 });
        let text = table(&["sm_80".to_owned()], &[found]);
        assert_eq!(text.lines().nth(2).unwrap(), "join         64      16    256");
        usage("something else").unwrap_err();
    }

    #[test]
    fn the_common_part_comes_first_and_the_emulator_is_not_among_them() {
        let text = joined(&workspace::root().join(FOLDER)).unwrap();
        let at = |needle: &str| text.find(needle).unwrap_or_else(|| panic!("no {needle}"));
        assert!(at("#define DEVICE") < at("__global__"));
        assert!(!text.contains("namespace std"));
    }
}
