//! The environment variables and the home directory, as a test may replace them.

use std::ffi::{CStr, OsString};
use std::mem::MaybeUninit;
use std::path::PathBuf;
use std::ptr;

use crate::error::Error;

/// Looks up a variable.
pub(in super::super) struct Environment<'a>(pub(in super::super) &'a dyn Fn(&str) -> Option<OsString>);

impl Environment<'static> {
    pub(in super::super) fn of_process() -> Self {
        Self(&|name| std::env::var_os(name))
    }
}

impl Environment<'_> {
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, Error> {
        let not_utf8 = |_| Error::config(format!("the environment variable {name} is no UTF-8; correct it"));
        (self.0)(name).map(OsString::into_string).transpose().map_err(not_utf8)
    }

    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        (self.0)(name).filter(|path| !path.is_empty()).map(PathBuf::from)
    }

    pub(super) fn in_home(&self, file: &str) -> Option<PathBuf> {
        Some(self.path("HOME").or_else(std::env::home_dir)?.join(file))
    }

    /// The path of a file in `~/.postgresql`, if it is there.
    pub(super) fn file_in_home(&self, file: &str) -> Option<String> {
        let path = self.in_home(".postgresql")?.join(file);
        if path.exists() { path.to_str().map(str::to_owned) } else { None }
    }
}

/// The name of the user of this process, as libpq takes it if no user is set. The driver would take `anonymous`.
#[expect(unsafe_code, reason = "std has no function for the user of the process")]
pub(super) fn own_user() -> Option<String> {
    // SAFETY: the call has no preconditions.
    user_name(unsafe { libc::geteuid() })
}

/// `None` for a user without a name, such as a number that is set for a container.
#[expect(unsafe_code, reason = "std has no function for the names of users")]
fn user_name(user: libc::uid_t) -> Option<String> {
    let mut texts = [0; 16 * 1024];
    let mut entry = MaybeUninit::uninit();
    let mut found = ptr::null_mut();
    // SAFETY: all pointers are to local variables, and the length is that of `texts`.
    let failure = unsafe {
        libc::getpwuid_r(user, entry.as_mut_ptr(), texts.as_mut_ptr(), texts.len(), &raw mut found)
    };
    if failure != 0 || found.is_null() {
        return None;
    }
    // SAFETY: `found` points to `entry`, which is filled in, and its name is a C string in `texts`.
    let name = unsafe { CStr::from_ptr((*found).pw_name) };
    name.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_name_or_none() {
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(user_name(4_242_424_242), None);
    }
}
