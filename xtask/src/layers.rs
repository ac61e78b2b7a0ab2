//! The layering of the workspace: one table, checked against `cargo metadata`.
//!
//! Dependencies point to lower rows only. A new crate gets its line in [`LAYERS`].

use crate::workspace::{Dependency, Metadata, Package};

/// Where a crate stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Row(u8),
    /// Support for tests: only ever a dev-dependency.
    TestSupport,
    /// Depends on no workspace crate, and none on it.
    Runner,
}

struct Layer {
    name: &'static str,
    place: Place,
    /// Workspace crates of rows 1 to this one may be used.
    uses_up_to: u8,
    /// Whether crates of the candle family may be used.
    candle: bool,
    /// Whether untyped errors may be used: in binaries only, a library's caller needs to match on errors.
    anyhow: bool,
}

const fn library(name: &'static str, row: u8) -> Layer {
    Layer { name, place: Place::Row(row), uses_up_to: row - 1, candle: true, anyhow: false }
}

/// The table. Row by row, from what everything rests on to the binary.
const LAYERS: &[Layer] = &[
    Layer { candle: false, ..library("cloze-data", 1) },
    Layer { candle: false, ..library("cloze-eval", 2) },
    // The encoder sees token ids, never interactions: it serves items, users and words alike.
    Layer { uses_up_to: 0, ..library("cloze-encoder", 2) },
    library("cloze-train", 3),
    library("cloze-sequential", 4),
    library("cloze-cf", 4),
    library("cloze-review", 5),
    library("cloze-hybrid", 6),
    library("cloze-serve", 7),
    Layer { anyhow: true, ..library("cloze-cli", 8) },
    Layer { place: Place::TestSupport, uses_up_to: 3, ..library("cloze-testkit", 4) },
    Layer { place: Place::Runner, uses_up_to: 0, candle: false, anyhow: true, ..library("xtask", 1) },
];

/// Crates that stay at one major version, so that later layers can share their types with other projects.
const PINNED: &[(&str, &str)] = &[("arrow", "59"), ("parquet", "59")];

/// Every violation of the table, one message each.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    let mut violations = Vec::new();
    for package in &metadata.packages {
        let Some(layer) = find(&package.name) else {
            violations.push(format!("{} has no row: add it to LAYERS in xtask/src/layers.rs", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let refusal = refuse_arrow(layer, dependency)
                .or_else(|| refuse_external(layer, dependency))
                .or_else(|| refuse_version(package, dependency));
            violations.extend(refusal);
        }
    }
    violations
}

fn find(name: &str) -> Option<&'static Layer> {
    LAYERS.iter().find(|layer| layer.name == name)
}

/// An arrow between two crates of the workspace.
fn refuse_arrow(from: &Layer, dependency: &Dependency) -> Option<String> {
    let to = find(&dependency.name)?;
    let arrow = format!("{} must not depend on {}", from.name, to.name);
    match (from.place, to.place) {
        (_, Place::Runner) => Some(format!("{arrow}: nothing depends on the runner")),
        (Place::Runner, _) => Some(format!("{arrow}: the runner uses no workspace crate, it calls `cloze`")),
        (_, Place::TestSupport) if dependency.is_dev() => None,
        (_, Place::TestSupport) => {
            Some(format!("{arrow}, except under [dev-dependencies]: it is test support"))
        }
        (_, Place::Row(row)) if row <= from.uses_up_to => None,
        (Place::Row(own), Place::Row(row)) if own == row => Some(format!("{arrow}: both are in row {row}")),
        (_, Place::Row(row)) if from.uses_up_to == 0 => {
            Some(format!("{arrow} (row {row}): it uses no lower row"))
        }
        (_, Place::Row(row)) => {
            Some(format!("{arrow} (row {row}): it may use rows 1 to {}", from.uses_up_to))
        }
    }
}

/// An arrow to a crate from outside that only some layers may use.
fn refuse_external(from: &Layer, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    if name.starts_with("candle") && !from.candle {
        return Some(format!("{} must not depend on {name}: tensors start at the encoder", from.name));
    }
    if name == "anyhow" && !from.anyhow {
        return Some(format!(
            "{} must not depend on {name}: only cloze-cli and xtask may, libraries have typed errors",
            from.name
        ));
    }
    None
}

/// A pinned crate at another major version.
fn refuse_version(package: &Package, dependency: &Dependency) -> Option<String> {
    let (name, major) = PINNED.iter().find(|(name, _)| *name == dependency.name)?;
    let wanted = dependency.req.trim_start_matches(['^', '=', '~', ' ']).split('.').next();
    (wanted != Some(major)).then(|| {
        format!("{} asks for {name} {}: the workspace stays at major {major}", package.name, dependency.req)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn arrow(name: &str, req: &str, kind: Option<&str>) -> Value {
        json!({ "name": name, "req": req, "kind": kind, "path": null, "features": [] })
    }

    /// `from` depends on one crate; every crate of the table exists.
    fn violations(from: &str, dependency: &Value) -> Vec<String> {
        let packages: Vec<Value> = LAYERS
            .iter()
            .map(|layer| {
                let dependencies = if layer.name == from { vec![dependency.clone()] } else { vec![] };
                json!({ "name": layer.name, "dependencies": dependencies })
            })
            .collect();
        check(&serde_json::from_value(json!({ "packages": packages })).unwrap())
    }

    #[track_caller]
    fn assert_refused(from: &str, to: &str, req: &str, kind: Option<&str>) {
        let found = violations(from, &arrow(to, req, kind));
        assert_eq!(found.len(), 1, "{from} -> {to}: {found:?}");
        assert!(found[0].contains(from) && found[0].contains(to), "{}", found[0]);
    }

    #[track_caller]
    fn assert_allowed(from: &str, to: &str, req: &str, kind: Option<&str>) {
        assert_eq!(violations(from, &arrow(to, req, kind)), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_to_a_higher_row_is_refused() {
        assert_refused("cloze-data", "cloze-eval", "*", None);
        assert_refused("cloze-train", "cloze-hybrid", "*", Some("dev"));
        assert_refused("cloze-hybrid", "cloze-cli", "*", Some("build"));
    }

    #[test]
    fn an_arrow_to_a_sibling_is_refused() {
        assert_refused("cloze-sequential", "cloze-cf", "*", None);
        assert_refused("cloze-eval", "cloze-encoder", "*", None);
    }

    #[test]
    fn the_encoder_never_sees_interactions() {
        assert_refused("cloze-encoder", "cloze-data", "*", None);
        assert_refused("cloze-encoder", "cloze-data", "*", Some("dev"));
    }

    #[test]
    fn the_testkit_is_a_dev_dependency_and_uses_rows_1_to_3() {
        assert_refused("cloze-hybrid", "cloze-testkit", "*", None);
        assert_allowed("cloze-encoder", "cloze-testkit", "*", Some("dev"));
        assert_allowed("cloze-testkit", "cloze-train", "*", None);
        assert_refused("cloze-testkit", "cloze-sequential", "*", None);
    }

    #[test]
    fn the_runner_stands_alone() {
        assert_refused("xtask", "cloze-data", "*", None);
        assert_refused("xtask", "cloze-testkit", "*", Some("dev"));
        assert_refused("cloze-cli", "xtask", "*", None);
    }

    #[test]
    fn data_and_evaluation_have_no_candle() {
        assert_refused("cloze-data", "candle-core", "^0.11.1", None);
        assert_refused("cloze-eval", "candle-nn", "^0.11.1", Some("dev"));
        assert_allowed("cloze-encoder", "candle-core", "^0.11.1", None);
    }

    #[test]
    fn anyhow_is_for_the_binaries() {
        assert_refused("cloze-train", "anyhow", "^1.0", None);
        assert_allowed("cloze-cli", "anyhow", "^1.0", None);
        assert_allowed("xtask", "anyhow", "^1.0", None);
    }

    #[test]
    fn arrow_and_parquet_stay_at_their_major() {
        assert_refused("cloze-data", "arrow", "^58.1", None);
        assert_refused("cloze-eval", "parquet", "*", None);
        assert_allowed("cloze-eval", "parquet", "^59.3", None);
    }

    #[test]
    fn a_crate_without_a_row_is_told_where_to_get_one() {
        let metadata = json!({ "packages": [{ "name": "cloze-new", "dependencies": [] }] });
        let found = check(&serde_json::from_value(metadata).unwrap());
        assert!(found[0].contains("cloze-new") && found[0].contains("xtask/src/layers.rs"), "{found:?}");
    }

    #[test]
    fn lower_rows_may_be_used() {
        assert_allowed("cloze-cli", "cloze-serve", "*", None);
        assert_allowed("cloze-hybrid", "cloze-sequential", "*", None);
        assert_allowed("cloze-eval", "cloze-data", "*", None);
    }
}
