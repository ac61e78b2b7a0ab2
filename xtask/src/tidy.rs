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
    violations.extend(check_declared(&sources));
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

/// A file that no module declares is compiled by nobody: its tests do not run, and nobody hears of it.
fn check_declared(sources: &[(PathBuf, String)]) -> Vec<String> {
    let name_of = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut violations = Vec::new();
    for (path, _) in sources {
        let in_library = path.iter().any(|part| part == "src");
        let (mut name, mut folder) = (name_of(path), path.parent().unwrap_or(Path::new("")));
        if name == "mod" {
            (name, folder) = (name_of(folder), folder.parent().unwrap_or(Path::new("")));
        }
        // Roots of crates, and tests, benchmarks and examples, each of which is one.
        let among = |names: &[&str]| names.iter().any(|name| folder.ends_with(name));
        let target = !in_library && among(&["tests", "benches", "examples"]);
        let root = match name.as_str() {
            "build" => !in_library,
            "lib" => folder.ends_with("src"),
            "main" => folder.ends_with("src") || !in_library,
            _ => folder.ends_with("src/bin") || target && !path.ends_with("mod.rs"),
        };
        let may_declare = |other: &Path| {
            let roots = ["mod.rs", "lib.rs", "main.rs"].iter().any(|root| folder.join(root) == other);
            roots || folder.with_extension("rs") == other || target && other.parent() == Some(folder)
        };
        let declared = || sources.iter().any(|(other, text)| may_declare(other) && declares(text, &name));
        if !root && !declared() {
            violations
                .push(format!("{} is not compiled: declare it (`mod {name};`) or delete it", path.display()));
        }
    }
    violations
}

/// Whether there is a line `mod name;`, of any visibility.
fn declares(text: &str, name: &str) -> bool {
    text.lines().any(|line| {
        let declaration = line.split("//").next().unwrap_or_default().trim_end().strip_suffix(';');
        declaration.and_then(|words| words.strip_suffix(name)).is_some_and(|before| {
            before
                .strip_suffix("mod ")
                .is_some_and(|before| before.is_empty() || before.ends_with([' ', ']']))
        })
    })
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
    fn files_that_no_module_declares_are_named() {
        let files = [
            ("crates/a/src/lib.rs", "mod b;\npub(crate) mod c; // why\n//mod lost;\n    mod inner;"),
            ("crates/a/src/b.rs", "mod deep;"),
            ("crates/a/src/b/deep.rs", "mod b;"),
            ("crates/a/src/c/mod.rs", "#[cfg(test)]\nmod tests;"),
            ("crates/a/src/c/tests.rs", ""),
            ("crates/a/src/inner.rs", ""),
            ("crates/a/src/lost.rs", "mod lost;"),
            ("crates/a/src/c/b.rs", ""),
            ("crates/a/src/c/build.rs", ""),
            ("crates/a/examples/step/main.rs", "mod parts;"),
            ("crates/a/examples/step/parts.rs", ""),
            ("crates/a/tests/whole.rs", "mod common;"),
            ("crates/a/tests/common/mod.rs", ""),
            ("crates/a/tests/unused/mod.rs", ""),
            ("crates/a/build.rs", ""),
        ];
        let files = files.map(|(path, text)| (PathBuf::from(path), text.to_owned()));
        let found = check_declared(&files);
        let expected = ["src/lost.rs", "src/c/b.rs", "src/c/build.rs", "tests/unused/mod.rs"];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (violation, path) in found.iter().zip(expected) {
            assert!(violation.starts_with(&format!("crates/a/{path} ")), "{violation}");
        }
        assert!(found[0].contains("`mod lost;`"), "{}", found[0]);
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
