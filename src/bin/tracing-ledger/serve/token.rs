//! The part of the address that nobody can guess.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read};

/// 128 random bits, as hex digits.
pub(super) struct Token(String);

impl Token {
    pub(super) fn random() -> io::Result<Self> {
        let mut bytes = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Takes the same time wherever the texts differ.
    pub(super) fn is(&self, text: &str) -> bool {
        let (own, other) = (self.0.as_bytes(), text.as_bytes());
        let differences = own.iter().zip(other).fold(0, |all, (one, other)| black_box(all | (one ^ other)));
        own.len() == other.len() && differences == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_text_is_the_token() {
        let token = Token::random().expect("random bytes");
        let text = token.text().to_owned();
        assert_eq!(text.len(), 32);
        assert!(token.is(&text));
        for other in [
            "",
            &text[1..],
            &format!("{text}0"),
            &text.replace(&text[..1], "x"),
            "00000000000000000000000000000000",
        ] {
            assert!(!token.is(other), "{other}");
        }
        assert_ne!(Token::random().expect("random bytes").text(), text);
    }
}
