//! Lines of help of the options that models of the family share.

/// An option with its line.
pub type Help = (&'static str, &'static str);

/// `hidden`.
pub const HIDDEN: Help = ("hidden", "Width of the vectors that are multiplied");
/// `mlp-hidden`.
pub const MLP_HIDDEN: Help = ("mlp-hidden", "Width of the vectors that the layers read");
/// `layers`.
pub const LAYERS: Help = ("layers", "Outputs of each layer, the first next to the vectors");
/// `item-bias`.
pub const ITEM_BIAS: Help =
    ("item-bias", "Whether an item has a score of its own, whoever asks; with --loss squared a user too");
/// `loss`.
pub const LOSS: Help = (
    "loss",
    "What training minimizes: log (binary cross-entropy), sampled-softmax, bpr (order of pairs) or squared (error of \
     predicted ratings)",
);
/// `optimizer`.
pub const OPTIMIZER: Help = (
    "optimizer",
    "How a gradient becomes a step: sgd or adam, whose learning rates are 0.001 where none is given",
);
/// `negatives`.
pub const NEGATIVES: Help = (
    "negatives",
    "Items drawn for each observed pair, uniformly from the user's others; none with --loss squared",
);
/// `epochs`.
pub const EPOCHS: Help = ("epochs", "Passes over the observed pairs");
/// `batch`.
pub const BATCH: Help = ("batch", "Observed pairs a step");
/// `learning-rate`.
pub const RATE: Help = ("learning-rate", "Learning rate at first; it falls linearly to 0");
/// `l2`.
pub const L2: Help =
    ("l2", "Penalty on the square of every vector that is multiplied, for every pair that uses it");
/// `mlp-l2`.
pub const MLP_L2: Help = ("mlp-l2", "The same for the vectors that the layers read");
/// `initial-scale`.
pub const SCALE: Help = ("initial-scale", "Standard deviation of the first vectors' values");
/// `validate-every`.
pub const VALIDATE: Help =
    ("validate-every", "Epochs between two looks at the validation items; 0, or --loss squared: never");
/// `text-l2`.
pub const TEXT_L2: Help = ("text-l2", "The same for the vectors that weigh what texts say");
