//! Nothing but tests: the pages of the command, in headless Chromium.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod charts;
// Not by way of the package of tests/support: it would build the ledger and its databases once more.
#[cfg(test)]
#[path = "../support/cluster.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod cluster;
#[cfg(test)]
mod controls;
#[cfg(test)]
mod database;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod hostile;
#[cfg(test)]
#[path = "../support/install.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod install;
#[cfg(test)]
mod lean;
#[cfg(test)]
mod looks;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod serve;
#[cfg(test)]
#[path = "../../src/report/page/lean.rs"]
#[allow(dead_code, reason = "the pages alone use the rest")]
mod short;
#[cfg(test)]
mod site;
