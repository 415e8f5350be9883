//! Commands that a person pastes into a shell.

use std::borrow::Cow;

/// An argument as a POSIX shell takes it for one word that says just this.
pub fn quoted(argument: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./%:,+".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        Cow::Borrowed(argument)
    } else {
        Cow::Owned(format!("'{}'", argument.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted("line.loss=5%"), "line.loss=5%");
        assert_eq!(quoted("update.periods=['30d']"), r"'update.periods=['\''30d'\'']'");
        assert_eq!(quoted(""), "''");
    }
}
