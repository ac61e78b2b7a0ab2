//! How the kernels are compiled and launched for an encoder's shape: the counterpart of the constants in
//! `kernels/cuda/common.cu`.

use super::Precision;
use super::device::{Launch, Number, Program};
use crate::config::{Activation, Attention, EncoderConfig};

/// Threads of a block.
pub(super) const BLOCK: usize = 256;
/// Blocks of a kernel that goes over its rows in strides.
const STRIDING_BLOCKS: usize = 528;
/// Rows of a block's tile in kernels over wide matrices.
const TILE_ROWS: usize = 32;
/// Tiles below each other in such a kernel.
const TILES: usize = 64;
/// The fast attention's head widths are multiples of this, up to the second.
const HEAD_STEP: usize = 16;
const WIDEST_HEAD: usize = 128;
/// Rows of blocks that a launch may have: the fast attention has one for each sequence.
const MOST_SEQUENCES: usize = 65_535;

/// Sizes that launches follow from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) hidden: usize,
    pub(super) intermediate: usize,
    pub(super) heads: usize,
    pub(super) head_width: usize,
    pub(super) precision: Precision,
}

impl Shape {
    pub(super) fn new(config: &EncoderConfig, precision: Precision) -> Self {
        let (hidden, intermediate) = (config.hidden, config.intermediate);
        Self { hidden, intermediate, heads: config.heads, head_width: config.head_width(), precision }
    }

    /// Numbers of the activations.
    pub(super) fn number(&self) -> Number {
        match self.precision {
            Precision::Bf16 => Number::Bf16,
            Precision::F32 => Number::F32,
        }
    }

    /// Numbers of one memory access.
    fn vector(&self) -> usize {
        if self.hidden.is_multiple_of(8) && self.intermediate.is_multiple_of(8) { 8 } else { 1 }
    }

    /// Lanes of a warp that share a row.
    fn lanes(&self) -> usize {
        (self.hidden / self.vector()).next_power_of_two().min(32)
    }

    /// A launch with a group of lanes for each row.
    pub(super) fn rows(&self, rows: usize) -> Launch {
        launch(rows.div_ceil(BLOCK / self.lanes()), 1)
    }

    /// The same, for a kernel that goes over the rows in strides.
    pub(super) fn striding_rows(&self, rows: usize) -> Launch {
        launch(rows.div_ceil(BLOCK / self.lanes()).min(STRIDING_BLOCKS), 1)
    }

    /// A launch over a wide matrix.
    pub(super) fn tiles(&self, rows: usize, columns: usize) -> Launch {
        launch(columns.div_ceil(8 * self.vector()), rows.div_ceil(TILE_ROWS).clamp(1, TILES))
    }

    /// A launch over `count` numbers, in accesses of [`Self::vector`].
    pub(super) fn vectors(&self, count: usize) -> Launch {
        launch((count / self.vector()).div_ceil(BLOCK), 1)
    }

    /// Most blocks of [`Self::striding_rows`].
    pub(super) fn most_striding_blocks() -> usize {
        STRIDING_BLOCKS
    }

    /// Most tiles below each other in [`Self::tiles`].
    pub(super) fn most_tiles() -> usize {
        TILES
    }

    /// The fast attention's launch over `sequences`, with staged rows for sequences of `staged` tokens and a warp for each
    /// tile of sequences of `tiled` tokens; none where it does not fit this shape or a block's shared memory.
    pub(super) fn flash(
        &self,
        sequences: usize,
        staged: usize,
        tiled: usize,
        limit: usize,
    ) -> Option<Launch> {
        let fits = self.precision == Precision::Bf16
            && self.head_width.is_multiple_of(HEAD_STEP)
            && self.head_width <= WIDEST_HEAD
            && sequences <= MOST_SEQUENCES;
        // Two matrices of 32 rows at a time, and three numbers for each row.
        let rows = staged.next_multiple_of(32);
        let shared = 2 * 2 * rows * (self.head_width + 8) + 12 * rows;
        let tiles = tiled.div_ceil(16).max(1);
        let rounds = tiles.div_ceil(BLOCK / 32);
        let threads = 32 * tiles.div_ceil(rounds);
        (fits && shared <= limit).then_some(Launch { grid: [self.heads, sequences], threads, shared })
    }
}

/// Blocks of [`BLOCK`] threads.
pub(super) fn launch(x: usize, y: usize) -> Launch {
    Launch { grid: [x.max(1), y.max(1)], threads: BLOCK, shared: 0 }
}

/// A launch with a thread for each of `count` things.
pub(super) fn threads(count: usize) -> Launch {
    launch(count.div_ceil(BLOCK), 1)
}

/// A launch with a warp for each of `count` things.
pub(super) fn warps(count: usize) -> Launch {
    launch(count.div_ceil(BLOCK / 32), 1)
}

/// A launch that adds up partial sums of `columns` columns.
pub(super) fn adders(columns: usize) -> Launch {
    Launch { grid: [columns.div_ceil(32).max(1), 1], threads: 1024, shared: 0 }
}

/// The kernels for `config`.
pub(super) fn program(config: &EncoderConfig, precision: Precision) -> Program {
    // The common part, then the others by name: `cargo xtask kernels` joins them so too.
    let source = [
        include_str!("../../kernels/cuda/common.cu"),
        include_str!("../../kernels/cuda/activation.cu"),
        include_str!("../../kernels/cuda/attention.cu"),
        include_str!("../../kernels/cuda/flash.cu"),
        include_str!("../../kernels/cuda/loss.cu"),
        include_str!("../../kernels/cuda/optimizer.cu"),
        include_str!("../../kernels/cuda/rows.cu"),
        include_str!("../../kernels/cuda/tables.cu"),
    ]
    .concat();
    let activation = match config.activation {
        Activation::GeluErf => 0,
        Activation::GeluTanh => 1,
        Activation::Relu => 2,
    };
    let defines = vec![
        ("BF16", u8::from(precision == Precision::Bf16).to_string()),
        ("HIDDEN", config.hidden.to_string()),
        ("INTERMEDIATE", config.intermediate.to_string()),
        ("HEADS", config.heads.to_string()),
        ("HEAD_WIDTH", config.head_width().to_string()),
        ("ACTIVATION", activation.to_string()),
        ("DISTANCE_SLOPE", format!("{:e}f", config.distance_slope)),
        ("CAUSAL", u8::from(config.attention == Attention::Causal).to_string()),
        ("EPSILON", format!("{:e}f", config.norm_epsilon)),
    ];
    Program { source, defines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_attention_takes_as_many_sequences_as_a_launch_has_rows() {
        let config = EncoderConfig::bert4rec(50, 64, 1, 2, 10);
        let flash = |sequences, precision| Shape::new(&config, precision).flash(sequences, 10, 10, 48 << 10);
        assert_eq!(flash(MOST_SEQUENCES, Precision::Bf16).map(|launch| launch.grid), Some([2, 65_535]));
        assert!(flash(MOST_SEQUENCES + 1, Precision::Bf16).is_none());
        assert!(flash(1, Precision::F32).is_none(), "tensor cores have no float32");
    }
}
