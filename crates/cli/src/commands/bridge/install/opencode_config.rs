//! opencode's configuration: one key is set, everything else stays as it is.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use share_model::seam::{Files, SystemFiles};
use tempfile::NamedTempFile;

use super::{not_written, shown};
use crate::error::CliError;
use crate::minting::place_new;
use crate::ui;

/// Bytes of a configuration that is edited.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Copies of what was there before, of as many installs that changed something.
const COPIES_MAX: u32 = 100;

/// What is to be done about a configuration.
#[derive(Debug)]
pub(super) enum Edit {
    /// It says so already.
    Nothing { path: PathBuf },
    /// It becomes this text.
    Write {
        path: PathBuf,
        /// What is there now.
        was: Option<Vec<u8>>,
        text: String,
    },
    /// It has what would be lost by writing it anew, as comments: a person adds the line.
    ByHand { path: PathBuf, url: String },
}

/// The user's configuration of opencode: the one that the environment names, else the one in the
/// user's configuration folder.
pub(super) fn path(config_folder: &Path) -> PathBuf {
    if let Some(path) = std::env::var_os("OPENCODE_CONFIG").filter(|path| !path.is_empty()) {
        return path.into();
    }
    let folder = config_folder.join("opencode");
    let with_comments = folder.join("opencode.jsonc");
    match with_comments.exists() {
        true => with_comments,
        false => folder.join("opencode.json"),
    }
}

impl Edit {
    /// What makes opencode share by `url`.
    ///
    /// # Errors
    ///
    /// If the file can't be read.
    pub(super) fn of(path: &Path, url: &str) -> Result<Self, CliError> {
        let by_hand = || Self::ByHand {
            path: path.to_owned(),
            url: url.to_owned(),
        };
        let was = match SystemFiles.read(path, FILE_BYTES_MAX) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let what = format!("read opencode's configuration `{}`", path.display());
                return Err(CliError::refused(what).caused_by(error));
            }
        };
        let before = match &was {
            None => Map::new(),
            Some(bytes) => match serde_json::from_slice(bytes) {
                Ok(Value::Object(members)) => members,
                // Comments, or what opencode does not read either.
                _ => return Ok(by_hand()),
            },
        };
        let Some(after) = with_url(before.clone(), url) else {
            return Ok(by_hand());
        };
        let path = path.to_owned();
        if after == before {
            return Ok(Self::Nothing { path });
        }
        Ok(Self::Write {
            path,
            was,
            text: format!("{:#}\n", Value::Object(after)),
        })
    }

    /// Carries it out, with a copy of what was there beside it.
    ///
    /// # Errors
    ///
    /// If a file can't be written; the configuration is then as before.
    pub(super) fn carry_out(&self) -> Result<(), CliError> {
        match self {
            Self::Nothing { path } => ui::note(format!("`{}` says so already", shown(path))),
            Self::ByHand { .. } => self.say_what_to_add(),
            Self::Write { path, was, text } => {
                if let Some(was) = was {
                    let copy = keep(path, was).map_err(|error| not_written(path, error))?;
                    ui::note(format!("what was there is in `{}`", shown(&copy)));
                }
                replace(path, text).map_err(|error| not_written(path, error))?;
                ui::note(format!("wrote `{}`", shown(path)));
            }
        }
        Ok(())
    }

    /// Says what a person is to add.
    pub(super) fn say_what_to_add(&self) {
        if let Self::ByHand { path, url } = self {
            ui::note(format!(
                "`{}` is left as it is, for a rewrite would lose what is there; add to it: \
                 \"enterprise\": {{\"url\": \"{url}\"}}",
                shown(path)
            ));
        }
    }
}

/// With the URL, in its place; `None` if something else is there.
fn with_url(mut members: Map<String, Value>, url: &str) -> Option<Map<String, Value>> {
    let enterprise = members.entry("enterprise").or_insert_with(|| json!({}));
    enterprise.as_object_mut()?.insert("url".into(), url.into());
    Some(members)
}

/// Keeps what was there under the first name that is free.
fn keep(path: &Path, was: &[u8]) -> io::Result<PathBuf> {
    for number in 1..=COPIES_MAX {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(match number {
            1 => ".bak".to_owned(),
            number => format!(".bak{number}"),
        });
        let copy = path.with_file_name(name);
        match place_new(&copy, was) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            placed => return placed.map(|()| copy),
        }
    }
    Err(io::Error::other("there are a hundred copies of it already"))
}

/// Puts the text in the place of the file, whole, with the permissions that it had; what a link
/// leads to is replaced, not the link.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let target = match path.canonicalize() {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let folder = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
    std::fs::create_dir_all(folder)?;
    let mut new = NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    if let Ok(found) = std::fs::metadata(&target) {
        new.as_file().set_permissions(found.permissions())?;
    }
    new.as_file().sync_all()?;
    new.persist(&target).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://127.0.0.1:7422";

    fn written(folder: &tempfile::TempDir, before: Option<&str>) -> (PathBuf, Edit) {
        let path = folder.path().join("opencode.json");
        if let Some(before) = before {
            std::fs::write(&path, before).unwrap();
        }
        let edit = Edit::of(&path, URL).unwrap();
        (path, edit)
    }

    #[test]
    fn one_key_is_set_and_everything_else_stays_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let before = r#"{"$schema":"s","zeta":1.50,"enterprise":{"x":[1]},"alpha":{"b":2,"a":1}}"#;
        let (path, edit) = written(&folder, Some(before));
        edit.carry_out().unwrap();
        let after: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            after.to_string(),
            r#"{"$schema":"s","zeta":1.50,"enterprise":{"x":[1],"url":"http://127.0.0.1:7422"},"alpha":{"b":2,"a":1}}"#
        );
        let copy = folder.path().join("opencode.json.bak");
        assert_eq!(std::fs::read_to_string(copy).unwrap(), before);
    }

    #[test]
    fn a_second_time_changes_nothing_and_another_change_keeps_another_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (path, edit) = written(&folder, None);
        edit.carry_out().unwrap();
        let first = std::fs::read_to_string(&path).unwrap();
        assert!(matches!(
            Edit::of(&path, URL).unwrap(),
            Edit::Nothing { .. }
        ));
        for port in [1, 2] {
            let other = format!("http://127.0.0.1:{port}");
            Edit::of(&path, &other).unwrap().carry_out().unwrap();
        }
        let copy = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(copy("opencode.json.bak"), first);
        assert!(copy("opencode.json.bak2").contains("127.0.0.1:1"));
    }

    #[test]
    fn what_a_rewrite_would_lose_is_left_to_a_person() {
        for before in [
            "{ // mine\n \"model\": \"x\" }",
            "{\"a\": 1,}",
            "[]",
            "",
            r#"{"enterprise": "http://elsewhere"}"#,
        ] {
            let folder = tempfile::tempdir().unwrap();
            let (path, edit) = written(&folder, Some(before));
            assert!(matches!(edit, Edit::ByHand { .. }), "{before}");
            edit.carry_out().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_one_and_what_it_leads_to_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().join("dotfiles.json");
        std::fs::write(&real, "{}").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.path().join("opencode.json");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        Edit::of(&link, URL).unwrap().carry_out().unwrap();
        assert!(link.is_symlink());
        assert!(std::fs::read_to_string(&real).unwrap().contains(URL));
        let mode = std::fs::metadata(&real).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }
}
