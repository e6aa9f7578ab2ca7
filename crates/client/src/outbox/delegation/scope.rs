//! Scopes: the part of a share that is delegated.

use std::fmt;

use share_model::Limits;

/// A prefix of keys, by whole path segments: `part/m1` covers `part/m1` and `part/m1/x`, not
/// `part/m10`. Empty: the whole share.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

/// A prefix that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum ScopeError {
    /// Two ways to write one scope would be two scopes.
    #[error("the scope `{}` begins or ends with `/`: write it without", scope.escape_debug())]
    SlashAtEnd { scope: String },
    /// Longer than any key.
    #[error("the scope has {bytes} bytes, a key has at most {max}")]
    TooLong { bytes: usize, max: u32 },
}

impl Scope {
    /// The whole share.
    pub const WHOLE: Self = Self(String::new());

    /// The keys at and below `prefix`.
    ///
    /// # Errors
    ///
    /// If it begins or ends with `/`, or is longer than any key.
    ///
    /// ```
    /// use share_client::Scope;
    ///
    /// let scope = Scope::new("part/m1")?;
    /// assert!(scope.covers("part/m1/x") && !scope.covers("part/m10"));
    /// # Ok::<(), share_client::ScopeError>(())
    /// ```
    pub fn new(prefix: impl Into<String>) -> Result<Self, ScopeError> {
        let scope = prefix.into();
        if scope.starts_with('/') || scope.ends_with('/') {
            return Err(ScopeError::SlashAtEnd { scope });
        }
        let (bytes, max) = (scope.len(), Limits::DEFAULT.key_bytes_max);
        if bytes > max as usize {
            return Err(ScopeError::TooLong { bytes, max });
        }
        Ok(Self(scope))
    }

    /// As it is stored, which was checked before.
    pub(super) fn stored(prefix: String) -> Self {
        Self(prefix)
    }

    /// The prefix; empty: the whole share.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key lies in the scope.
    pub fn covers(&self, key: &str) -> bool {
        match key.strip_prefix(self.0.as_str()) {
            None => false,
            Some(rest) => self.0.is_empty() || rest.is_empty() || rest.starts_with('/'),
        }
    }

    /// Whether every key of `other` lies in this scope.
    pub fn contains(&self, other: &Self) -> bool {
        self.covers(&other.0)
    }

    /// Whether a key may lie in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }
}

/// In words, fit for a message.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            f.write_str("the whole share")
        } else {
            write!(f, "`{}`", self.0.escape_debug())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(prefix: &str) -> Scope {
        Scope::new(prefix).unwrap()
    }

    #[test]
    fn a_scope_covers_whole_segments() {
        let covered = |prefix, key| scope(prefix).covers(key);
        assert!(covered("part/m1", "part/m1"));
        assert!(covered("part/m1", "part/m1/x"));
        assert!(!covered("part/m1", "part/m10"));
        assert!(!covered("part/m1", "part/m"));
        assert!(!covered("part/m1", "x/part/m1"));
        assert!(covered("", "part/m1"));
        assert!(covered("", ""));
    }

    #[test]
    fn scopes_overlap_where_one_lies_in_the_other() {
        assert!(scope("part").overlaps(&scope("part/m1")));
        assert!(scope("part/m1").overlaps(&scope("part")));
        assert!(scope("").overlaps(&scope("a")));
        assert!(!scope("part/m1").overlaps(&scope("part/m2")));
        assert!(!scope("part/m1").overlaps(&scope("part/m10")));
    }

    #[test]
    fn a_scope_is_written_in_one_way_and_no_longer_than_a_key() {
        for prefix in ["/", "/a", "a/"] {
            let refused = Scope::new(prefix).unwrap_err();
            assert!(matches!(refused, ScopeError::SlashAtEnd { .. }), "{prefix}");
        }
        assert!(Scope::new("k".repeat(512)).is_ok());
        assert_eq!(
            Scope::new("k".repeat(513)),
            Err(ScopeError::TooLong {
                bytes: 513,
                max: 512
            })
        );
    }
}
