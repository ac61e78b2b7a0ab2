//! `cargo xtask tidy`: rules of this repository that no compiler knows.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{layers, workspace};

/// Longest source file, in lines. A file is one concept; beyond this it is two.
const MAXIMUM_LINES: usize = 400;
/// Longest file of tests: cases repeat, and reading one needs no other.
const MAXIMUM_TEST_LINES: usize = 600;

/// Runs all checks and prints every violation.
///
/// # Errors
/// If anything is violated, or something cannot be read.
pub(crate) fn run() -> Result<()> {
    let root = workspace::root();
    let mut violations = layers::check(&workspace::metadata()?);
    violations.extend(check_build_settings(&root)?);
    let sources = sources(&root)?;
    for (path, text) in &sources {
        violations.extend(check_length(path, text));
        violations.extend(check_unfinished(path, text));
    }
    for violation in &violations {
        eprintln!("tidy: {violation}");
    }
    match violations.len() {
        0 => println!("tidy: layering and {} source files are in order", sources.len()),
        1 => bail!("tidy found 1 violation"),
        count => bail!("tidy found {count} violations"),
    }
    Ok(())
}

/// All `.rs` files of the repository with their text, by path relative to the root.
fn sources(root: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut folders = vec![root.join("crates"), root.join("xtask")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text =
                    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
                sources.push((path.strip_prefix(root)?.to_path_buf(), text));
            }
        }
    }
    sources.sort();
    Ok(sources)
}

fn check_length(path: &Path, text: &str) -> Option<String> {
    let test = path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
    let maximum = if test { MAXIMUM_TEST_LINES } else { MAXIMUM_LINES };
    let lines = text.lines().count();
    (lines > maximum).then(|| format!("{} has {lines} lines, more than {maximum}: split it", path.display()))
}

/// Code that is not there yet, and tests that do not run, must say why.
fn check_unfinished(path: &Path, text: &str) -> Vec<String> {
    // Written in two halves, so that this file does not find itself.
    let macros = [concat!("todo", "!("), concat!("unimplemented", "!(")];
    let ignored = concat!("#[", "ignore]");
    let mut violations = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let bare = macros.iter().find(|name| code.split(*name).skip(1).any(|rest| !rest.starts_with('"')));
        let found = bare.copied().or_else(|| code.contains(ignored).then_some(ignored));
        if let Some(what) = found {
            violations.push(format!("{}:{}: `{what}` without a reason in quotes", path.display(), index + 1));
        }
    }
    violations
}

fn check_build_settings(root: &Path) -> Result<Option<String>> {
    let path = root.join(".cargo/config.toml");
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let settings: toml::Table = toml::from_str(&text).with_context(|| format!("{}", path.display()))?;
    Ok(mentions_target_cpu(&toml::Value::Table(settings)).then(|| {
        ".cargo/config.toml sets target-cpu: the binary would crash on other processors; kernels are chosen at run time"
            .to_owned()
    }))
}

fn mentions_target_cpu(value: &toml::Value) -> bool {
    match value {
        toml::Value::String(text) => text.contains("target-cpu"),
        toml::Value::Array(values) => values.iter().any(mentions_target_cpu),
        toml::Value::Table(table) => {
            table.iter().any(|(key, value)| key.contains("target-cpu") || mentions_target_cpu(value))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_files_are_named_and_tests_may_be_longer() {
        let lines = "\n".repeat(401);
        let message = check_length(Path::new("crates/a/src/lib.rs"), &lines).unwrap();
        assert!(message.contains("crates/a/src/lib.rs") && message.contains("401"), "{message}");
        assert_eq!(check_length(Path::new("crates/a/tests/whole.rs"), &lines), None);
        assert_eq!(check_length(Path::new("crates/a/src/lib.rs"), &"\n".repeat(400)), None);
        assert!(check_length(Path::new("crates/a/tests/whole.rs"), &"\n".repeat(601)).is_some());
    }

    #[test]
    fn unfinished_code_needs_a_reason() {
        let path = Path::new("a.rs");
        let bare = concat!("fn a() {}\n  todo", "!()\n#[", "ignore]\nunimplemented", "!()");
        let found = check_unfinished(path, bare);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("a.rs:2:"), "{}", found[0]);
        let reasoned =
            concat!("unimplemented", "!(\"no GPU here\")\n#[", "ignore = \"needs data\"]\n// todo", "!()");
        assert_eq!(check_unfinished(path, reasoned), Vec::<String>::new());
    }

    #[test]
    fn target_cpu_is_found_in_any_setting_and_not_in_comments() {
        let parse = |text: &str| toml::Value::Table(toml::from_str(text).unwrap());
        assert!(mentions_target_cpu(&parse("[build]\nrustflags = [\"-C\", \"target-cpu=native\"]")));
        assert!(!mentions_target_cpu(&parse("# target-cpu is absent\n[alias]\nxtask = \"run\"")));
    }
}
