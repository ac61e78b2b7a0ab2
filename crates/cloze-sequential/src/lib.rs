//! Sequential recommenders: BERT4Rec.
