//! HybridBERT4Rec: a content tower and a collaborative tower joined by matrix factorization.
