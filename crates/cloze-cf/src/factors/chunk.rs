//! Groups of a batch: whose they are, and what was computed of them.

use super::network::Network;

/// Tables of user vectors: the network's, or those of one whom it does not know.
#[derive(Debug, Clone, Copy)]
pub(super) struct People<'a> {
    /// `[people, hidden]`.
    pub(super) product: &'a [f32],
    /// `[people, mlp-hidden]`.
    pub(super) mlp: &'a [f32],
    /// `[people, content]`; none of people of whom nothing is given.
    pub(super) content: &'a [f32],
    /// `[people]`; none where a user has no score of its own.
    pub(super) bias: &'a [f32],
}

impl<'a> People<'a> {
    pub(super) fn of(network: &'a Network) -> Self {
        let layout = &network.layout;
        Self {
            product: &network.values[layout.product_users.range.clone()],
            mlp: &network.values[layout.mlp_users.range.clone()],
            content: &network.values[layout.content_users.range.clone()],
            bias: &network.values[layout.user_bias.range.clone()],
        }
    }
}

/// Groups of a batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    /// The user of each group, `[G]`.
    pub(super) users: &'a [u32],
    /// The items of all groups, in each the observed one first, `[E]`.
    pub(super) items: &'a [u32],
    /// The rating of each observed pair, `[G]`.
    pub(super) ratings: &'a [f32],
    /// The optimizer's step.
    pub(super) step: u64,
}

impl Part<'_> {
    /// Items of a group.
    pub(super) fn stride(&self) -> usize {
        self.items.len() / self.users.len()
    }
}

/// What was computed of groups. A group is a user with items, the observed one first; with G groups
/// there are E pairs.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// `[E]`.
    pub(super) scores: Vec<f32>,
    /// Derivatives of the loss by the scores, `[E]`.
    pub(super) slopes: Vec<f32>,
    /// `h ∗ p` of each group, `[G, hidden]`: its slope times it is what an item's vector gets.
    pub(super) weighted: Vec<f32>,
    /// Gradients of the product's user vectors, `[G, hidden]`.
    pub(super) product_users: Vec<f32>,
    /// Gradients of the layers' vectors, `[G, mlp-hidden]` and `[E, mlp-hidden]`.
    pub(super) mlp_users: Vec<f32>,
    pub(super) mlp_items: Vec<f32>,
    /// Gradients of the users' vectors of the part that is given, `[G, content]`.
    pub(super) content_users: Vec<f32>,
    /// What is given of each pair; after the backward pass gradients of the items' vectors, `[E, content]`.
    pub(super) content: Vec<f32>,
    /// Gradient of what every pair uses.
    pub(super) dense: Vec<f32>,
    /// Sum of the groups' losses.
    pub(super) loss: f64,
    /// The layers' vectors, `[G, mlp-hidden]` and `[E, mlp-hidden]`.
    pub(super) people: Vec<f32>,
    pub(super) things: Vec<f32>,
    /// Outputs of each layer, `[E, layers[l]]`.
    pub(super) outputs: Vec<Vec<f32>>,
}
