//! Which items the held-out item is ranked against.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// A candidate protocol. Written and parsed as `full`, `uniform-100`, `popularity-100`, `within-genre`.
///
/// Sampled protocols give far larger figures than [`Protocol::Full`] and may order models differently
/// (Krichene & Rendle 2020, "On Sampled Metrics for Item Recommendation"); they are here because most
/// published figures use them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Protocol {
    /// The whole catalogue.
    Full,
    /// So many negatives, each item equally likely.
    Uniform(usize),
    /// So many negatives, drawn without replacement in proportion to their counts in training.
    Popularity(usize),
    /// All items that share a genre with the target, but those of the history: of learners' data, the exercises of its learning
    /// objectives. Items without any genre are among themselves.
    WithinGenre,
}

const WITHIN_GENRE: &str = "within-genre";

impl Protocol {
    /// The three protocols of the literature: `full`, `uniform-100`, `popularity-100`.
    pub const STANDARD: [Self; 3] = [Self::Full, Self::Uniform(100), Self::Popularity(100)];

    /// Whether candidates are drawn, so that a seed decides which.
    pub(crate) fn is_sampled(self) -> bool {
        matches!(self, Self::Uniform(_) | Self::Popularity(_))
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.pad("full"),
            Self::Uniform(negatives) => f.pad(&format!("uniform-{negatives}")),
            Self::Popularity(negatives) => f.pad(&format!("popularity-{negatives}")),
            Self::WithinGenre => f.pad(WITHIN_GENRE),
        }
    }
}

impl FromStr for Protocol {
    type Err = EvalError;

    fn from_str(text: &str) -> Result<Self, EvalError> {
        let unknown = || EvalError::UnknownProtocol { given: text.to_owned() };
        if text == "full" {
            return Ok(Self::Full);
        }
        if text == WITHIN_GENRE {
            return Ok(Self::WithinGenre);
        }
        let (kind, count) = text.split_once('-').ok_or_else(unknown)?;
        let count: usize = count.parse().map_err(|_| unknown())?;
        match kind {
            "uniform" if count > 0 => Ok(Self::Uniform(count)),
            "popularity" if count > 0 => Ok(Self::Popularity(count)),
            _ => Err(unknown()),
        }
    }
}

impl From<Protocol> for String {
    fn from(protocol: Protocol) -> Self {
        protocol.to_string()
    }
}

impl TryFrom<String> for Protocol {
    type Error = EvalError;

    fn try_from(text: String) -> Result<Self, EvalError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (protocol, name) in Protocol::STANDARD.iter().zip(["full", "uniform-100", "popularity-100"]) {
            assert_eq!(protocol.to_string(), name);
            assert_eq!(name.parse::<Protocol>().unwrap(), *protocol);
        }
    }

    #[test]
    fn the_name_of_the_genre_s_goes_both_ways() {
        assert_eq!("within-genre".parse::<Protocol>().unwrap(), Protocol::WithinGenre);
        assert_eq!(Protocol::WithinGenre.to_string(), "within-genre");
    }

    #[test]
    fn an_unknown_name_lists_the_forms() {
        for text in ["", "Full", "uniform", "uniform-0", "uniform-x", "uniform--1", "random-100"] {
            let message = text.parse::<Protocol>().unwrap_err().to_string();
            assert!(message.contains("full, uniform-N, popularity-N, within-genre"), "{message}");
        }
    }
}
