//! Collaborative filtering baselines: Popularity, ItemKNN.
