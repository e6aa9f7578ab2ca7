//! Names of sessions, and the one place that makes them fit for paths and terminals.

use std::fmt;

use ring::digest;

/// Bytes of a project's or a session's name.
pub(super) const NAME_BYTES_MAX: usize = 512;
/// Bytes of a segment that are the escaped name itself; a longer one ends in a hash.
const SEGMENT_BYTES_MAX: usize = 120;

/// What a session is called on this machine: the project, and the session within it. Kept exactly as
/// given.
///
/// ```
/// use share_client::SessionName;
///
/// let name = SessionName::new("/home/ann/Søk", "fix\tlogin")?;
/// assert_eq!(name.session(), "fix\tlogin");
/// assert_eq!(name.to_string(), r#""/home/ann/Søk" "fix\tlogin""#);
/// assert_eq!(name.segments(), ["%2fhome%2fann%2f%53%c3%b8k", "fix%09login"]);
/// # Ok::<(), share_client::NameError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SessionName {
    project: String,
    session: String,
}

/// A name that is refused before anything is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum NameError {
    /// There is nothing to tell it from others.
    #[error("the name of the {part} is empty")]
    Empty { part: &'static str },
    /// It is longer than a name may be.
    #[error("the name of the {part} has {bytes} bytes, limit is {max}")]
    TooLong {
        part: &'static str,
        bytes: usize,
        max: usize,
    },
}

impl SessionName {
    /// The session of this name in the project of this name; each has 1 to 512 bytes, any of UTF-8.
    ///
    /// # Errors
    ///
    /// If a name is empty or too long.
    pub fn new(project: impl Into<String>, session: impl Into<String>) -> Result<Self, NameError> {
        Ok(Self {
            project: checked("project", project.into())?,
            session: checked("session", session.into())?,
        })
    }

    /// The same project's session of this name and number: `NAME#2`. Of a name that would be too long
    /// the end is left out.
    pub(super) fn numbered(&self, number: u64) -> Self {
        let end = format!("#{number}");
        let room = NAME_BYTES_MAX - end.len();
        let cut = self.session.floor_char_boundary(room);
        Self {
            project: self.project.clone(),
            session: format!("{}{end}", &self.session[..cut]),
        }
    }

    /// The project, as given: may hold anything, so not for a terminal.
    pub fn project(&self) -> &str {
        &self.project
    }

    /// The session, as given: may hold anything, so not for a terminal.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// Project and session as segments of a path: 1 to 186 lower-case letters, digits, `-`, `_`, `.`
    /// and `%`, never `.` or `..`, and not the same for two names, also where a file system takes
    /// upper and lower case for the same.
    pub fn segments(&self) -> [String; 2] {
        [segment(&self.project), segment(&self.session)]
    }
}

fn checked(part: &'static str, name: String) -> Result<String, NameError> {
    match name.len() {
        0 => Err(NameError::Empty { part }),
        bytes if bytes > NAME_BYTES_MAX => Err(NameError::TooLong {
            part,
            bytes,
            max: NAME_BYTES_MAX,
        }),
        _ => Ok(name),
    }
}

/// Both names quoted, with everything escaped that would not stand on a terminal as itself; not the
/// same for two names.
impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.project, self.session)
    }
}

impl fmt::Debug for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionName({self})")
    }
}

fn segment(name: &str) -> String {
    let mut escaped = String::new();
    let last = name.len().saturating_sub(1);
    for (at, byte) in name.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => escaped.push(char::from(byte)),
            // Not at an end: no `.`, no `..`, no hidden file, none that Windows shortens.
            b'.' if at > 0 && at < last => escaped.push('.'),
            _ => escaped.push_str(&format!("%{byte:02x}")),
        }
    }
    if escaped.len() > SEGMENT_BYTES_MAX {
        escaped.truncate(SEGMENT_BYTES_MAX);
        // No escape has two of them.
        escaped.push_str("%%");
        let hash = digest::digest(&digest::SHA256, name.as_bytes());
        escaped.extend(hash.as_ref().iter().map(|byte| format!("{byte:02x}")));
    }
    escaped
}
