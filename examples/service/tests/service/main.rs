//! The service with the ledger, as it is.

mod adoption;
mod rows;
