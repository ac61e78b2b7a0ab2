//! Interaction logs as typed Arrow data: readers, vocabularies, sequences, splits, data set manifests.
