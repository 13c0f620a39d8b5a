//! What the hot path collects.
