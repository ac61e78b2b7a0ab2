//! The options of `PureSVD`.

use serde::{Deserialize, Serialize};

use crate::error::CfError;

/// Options of [`PureSvd`](crate::PureSvd).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct PureSvdOptions {
    /// Number of singular vectors, at least 1; all there are if the data have fewer. Default 64.
    pub hidden: usize,
}

impl Default for PureSvdOptions {
    fn default() -> Self {
        Self { hidden: 64 }
    }
}

impl PureSvdOptions {
    pub(super) fn check(&self) -> Result<(), CfError> {
        if (1..=65_536).contains(&self.hidden) {
            return Ok(());
        }
        let value = self.hidden.to_string();
        Err(CfError::Option { option: "hidden", value, expected: "from 1 to 65536" })
    }
}
