//! Nothing but tests: the pages of the command, in headless Chromium.

#[cfg(test)]
mod browser;
#[cfg(test)]
mod controls;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod looks;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod rows;
#[cfg(test)]
mod site;
