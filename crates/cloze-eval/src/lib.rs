//! Honest evaluation of recommenders: candidate protocols, metrics, intervals, tables.
