//! The documentation, the scripts and the test servers hold what they promise.

mod cluster;
mod evidence;
mod killed_cluster;
mod torture_script;
