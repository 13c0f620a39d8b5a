//! `.pgpass`: passwords by host, port, database and user. A file that others may read is not used.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// The lines of a password file: host, port, database, user, password.
#[derive(Default)]
pub(super) struct Passfile(Vec<[String; 5]>);

impl Passfile {
    /// Reads the file.
    ///
    /// # Errors
    /// With what happened and what to do, for a file that is there and is not used.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, &'static str> {
        let Ok(file) = fs::metadata(path) else { return Ok(None) };
        if !file.is_file() {
            return Err("is no plain file, so it is not used");
        }
        if file.permissions().mode() & 0o077 != 0 {
            return Err(
                "may be read by its group or by others, so it is not used, as in psql; run chmod 0600 on it",
            );
        }
        let text = fs::read(path).map_err(|_| "cannot be read, so it is not used; let this user read it")?;
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().filter(|line| !line.starts_with('#')).filter_map(fields);
        Ok(Some(Self(lines.collect())))
    }

    /// The password of the first line that fits.
    pub(super) fn password(&self, host: &str, port: u16, database: &str, user: &str) -> Option<&str> {
        let port = port.to_string();
        let wanted = [host, &port, database, user];
        let fits = |line: &&[String; 5]| {
            wanted.iter().zip(*line).all(|(wanted, field)| field == "*" || field == wanted)
        };
        self.0.iter().find(fits).map(|line| line[4].as_str())
    }
}

/// The fields between colons. A backslash takes the next character as it is.
fn fields(line: &str) -> Option<[String; 5]> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            ':' => fields.push(String::new()),
            '\\' => fields.last_mut()?.extend(characters.next()),
            _ => fields.last_mut()?.push(character),
        }
    }
    fields.try_into().ok()
}
