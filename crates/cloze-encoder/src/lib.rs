//! One transformer encoder for items, users and words, with its engines.
