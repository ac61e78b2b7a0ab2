//! The subcommands, one a file.

pub(crate) mod archive;
pub(crate) mod compare;
pub(crate) mod convert;
pub(crate) mod data;
pub(crate) mod describe;
pub(crate) mod doctor;
pub(crate) mod evaluate;
pub(crate) mod fine_tune;
pub(crate) mod judge;
pub(crate) mod pool;
pub(crate) mod prepare;
pub(crate) mod profiles;
pub(crate) mod recommend;
pub(crate) mod train;
