//! Nothing but tests: the pages of the command, in headless Chromium.
#![cfg(test)]

mod answers;
mod browser;
mod charts;
// Not by way of the package of tests/support: it would build the ledger and its databases once more.
#[path = "../support/cluster.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod cluster;
mod controls;
mod database;
mod figures;
mod hostile;
#[path = "../support/install.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod install;
mod lean;
mod looks;
mod plain;
mod rows;
mod serve;
#[path = "../../src/report/page/lean.rs"]
#[allow(dead_code, reason = "the pages alone use the rest")]
mod short;
mod site;
