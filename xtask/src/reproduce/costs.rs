//! What the report says of speed: a benchmark, run after the rows and kept beside them.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::rows::write_json;
use crate::bench::{self, Row};

/// The benchmark of an experiment.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Costs {
    /// As `cargo xtask bench hybrid`.
    Hybrid,
    /// As `cargo xtask bench learners`.
    Learners,
}

impl Costs {
    const fn name(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::Learners => "learners",
        }
    }

    /// A paragraph with the figures, measured now unless an earlier run kept them; on failure the reason.
    pub(crate) fn paragraph(self, output: &Path, fresh: bool) -> String {
        let path = output.join(format!("bench-{}.json", self.name()));
        match kept(&path, fresh).and_then(|kept| kept.map_or_else(|| self.measure(&path), Ok)) {
            Ok(rows) => {
                let figures: Vec<String> = rows.iter().filter_map(figure).collect();
                format!("Costs (`cargo xtask bench {}`): {}.", self.name(), figures.join("; "))
            }
            Err(error) => format!("costs: not measured: {error:#}"),
        }
    }

    fn measure(self, path: &Path) -> Result<Vec<Row>> {
        eprintln!("[costs] cargo xtask bench {}", self.name());
        let rows = match self {
            Self::Hybrid => bench::hybrid()?,
            Self::Learners => bench::learners()?,
        };
        write_json(path, &rows)?;
        Ok(rows)
    }
}

fn kept(path: &Path, fresh: bool) -> Result<Option<Vec<Row>>> {
    if fresh || !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).map(Some).with_context(|| format!("{} is damaged", path.display()))
}

/// One row in words.
fn figure(row: &Row) -> Option<String> {
    let (name, milliseconds) = (row.get("benchmark")?.as_str()?, row.get("median_ms")?.as_f64()?);
    let hour = 3_600_000.0;
    let time = match milliseconds {
        long if long >= hour => format!("{:.1} hours", long / hour),
        long if long >= 1000.0 => format!("{:.1} s", long / 1000.0),
        short => format!("{short:.2} ms"),
    };
    Some(format!("{name}: {time}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_figures_are_said_in_units_that_one_reads() {
        let folder = xshell::Shell::new().unwrap().create_temp_dir().unwrap();
        let rows = r#"[{"benchmark": "a, one answer", "median_ms": 1.834}, {"benchmark": "a, all profiles", "median_ms": 3302.4},
            {"benchmark": "a, all pairs", "median_ms": 23400000.0}]"#;
        fs::write(folder.path().join("bench-learners.json"), rows).unwrap();
        let said = Costs::Learners.paragraph(folder.path(), false);
        let expected = "a, one answer: 1.83 ms; a, all profiles: 3.3 s; a, all pairs: 6.5 hours.";
        assert_eq!(said, format!("Costs (`cargo xtask bench learners`): {expected}"));
        fs::write(folder.path().join("bench-hybrid.json"), "[{").unwrap();
        let said = Costs::Hybrid.paragraph(folder.path(), false);
        assert!(
            said.starts_with("costs: not measured:") && said.contains("bench-hybrid.json is damaged"),
            "{said}"
        );
    }
}
