//! Secrets, and where bytes of them are found.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Bytes by which a needle is looked up; half of a slug is as long.
const KEY_BYTES: usize = 8;

/// A secret that the run made.
pub(crate) struct Made {
    what: &'static str,
    bytes: Vec<u8>,
    /// The folders and files that may hold it.
    homes: Vec<PathBuf>,
}

impl Made {
    /// One that nothing may hold but what lies at or below `homes`.
    pub(crate) fn new(what: &'static str, bytes: &[u8], homes: &[&Path]) -> Self {
        Self {
            what,
            bytes: bytes.to_vec(),
            homes: homes.iter().map(|&home| home.to_owned()).collect(),
        }
    }

    /// The halves of the secret in every form in which one might come to be written: a page of a
    /// database or a buffer's end may lie between them.
    fn needles(&self) -> Vec<(&'static str, Vec<u8>)> {
        let hex = |digits: fn(&u8) -> String| self.bytes.iter().map(digits).collect::<String>();
        let list: Vec<String> = self.bytes.iter().map(u8::to_string).collect();
        let forms = [
            ("raw", self.bytes.clone()),
            ("base64url", URL_SAFE_NO_PAD.encode(&self.bytes).into()),
            ("base64", STANDARD_NO_PAD.encode(&self.bytes).into()),
            ("hex", hex(|byte| format!("{byte:02x}")).into()),
            ("upper hex", hex(|byte| format!("{byte:02X}")).into()),
            ("a list", list.join(", ").into()),
        ];
        let halves = forms.into_iter().flat_map(|(form, bytes)| {
            let (first, last) = bytes.split_at(bytes.len() / 2);
            [(form, first.to_vec()), (form, last.to_vec())]
        });
        halves.collect()
    }
}

/// What of `secrets` is found below `root`, each as a line: outside of its homes, and within.
pub(crate) fn find(root: &Path, secrets: &[Made]) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut needles: BTreeMap<[u8; KEY_BYTES], Vec<_>> = BTreeMap::new();
    for made in secrets {
        for (form, needle) in made.needles() {
            let key = needle.first_chunk().expect("no needle is as short");
            needles.entry(*key).or_default().push((made, form, needle));
        }
    }
    let (mut leaks, mut at_home) = (BTreeSet::new(), BTreeSet::new());
    for path in files(root) {
        let content = fs::read(&path).expect("a file can be read");
        let name = path.strip_prefix(root).expect("it lies below the root");
        for at in 0..content.len() {
            let rest = &content[at..];
            let known = rest.first_chunk().and_then(|key| needles.get(key));
            for (made, form, needle) in known.into_iter().flatten() {
                if !rest.starts_with(needle) {
                    continue;
                }
                let line = format!("{}: {} as {form}", name.display(), made.what);
                let is_home = made.homes.iter().any(|home| path.starts_with(home));
                if is_home { &mut at_home } else { &mut leaks }.insert(line);
            }
        }
    }
    (leaks, at_home)
}

/// Every file below `folder`.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder can be read");
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.expect("an entry can be read").path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}
