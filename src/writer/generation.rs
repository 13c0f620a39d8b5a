//! A generation: one life of the spool's directory.

use std::path::PathBuf;

use crate::spool::{Spool, SpoolOptions};

/// One life of the spool's directory.
pub(super) struct Generation {
    pub(super) number: u64,
    /// `None` while the directory cannot be had again.
    pub(super) spool: Option<Spool>,
    pub(super) dir: PathBuf,
    pub(super) options: SpoolOptions,
}

impl Generation {
    pub(super) fn first(spool: Spool) -> Self {
        let (dir, options) = spool.place();
        Self { number: 1, spool: Some(spool), dir, options }
    }
}
