//! Whether two stores read the same table.

/// A table as its server names it.
#[derive(Debug)]
pub(in crate::store) struct TableIdentity {
    /// The same for all copies of a server.
    pub(in crate::store) table: String,
    /// When the server started; `None` if it is a standby.
    pub(in crate::store) started: Option<String>,
}

impl TableIdentity {
    /// Whether both have the same rows, as far as their servers tell.
    pub(in crate::store) fn is_same(&self, other: &Self) -> bool {
        let started = self.started.as_ref().zip(other.started.as_ref());
        self.table == other.table && started.is_none_or(|(one, other)| one == other)
    }
}
