//! The scripts and styles of pages: in the binary, in a folder that is named by what is in it, so that
//! a browser may keep them for ever, and a script finds what it imports beside itself.

use std::fmt::Write as _;

use ring::digest::{Context, SHA256};

macro_rules! sources {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../assets/", $name)))),*]
    };
}

/// As they lie in the source.
const SOURCES: [(&str, &str); 12] = sources![
    "copying.js",
    "elements.js",
    "links.js",
    "live.js",
    "owner.js",
    "page.css",
    "page.js",
    "patches.js",
    "private.js",
    "reading.js",
    "replay.js",
    "streams.js",
];

/// Bytes of the hash that stand in the folder's name.
const HASH_BYTES: usize = 8;

/// What pages load.
#[derive(Debug)]
pub(crate) struct Assets {
    hash: String,
}

/// A script or style.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asset {
    pub(crate) content_type: &'static str,
    pub(crate) text: &'static str,
}

impl Assets {
    /// All of them.
    pub(crate) fn new() -> Self {
        let mut context = Context::new(&SHA256);
        for (name, text) in SOURCES {
            for field in [name, text] {
                context.update(&(field.len() as u64).to_le_bytes());
                context.update(field.as_bytes());
            }
        }
        let hash = context.finish();
        let mut folder = String::new();
        for byte in hash.as_ref().iter().take(HASH_BYTES) {
            // Writing to a string can't fail.
            let _ = write!(folder, "{byte:02x}");
        }
        Self { hash: folder }
    }

    /// What stands in the head of a page that has this style and script.
    pub(crate) fn head(&self, style: &str, script: Option<&str>) -> String {
        let hash = &self.hash;
        let mut head = format!("<link rel=\"stylesheet\" href=\"/assets/{hash}/{style}\">\n");
        if let Some(script) = script {
            head += &format!("<script type=\"module\" src=\"/assets/{hash}/{script}\"></script>\n");
        }
        head
    }

    /// What is in the folder with this hash.
    pub(crate) fn at(&self, hash: &str, name: &str) -> Option<Asset> {
        let (name, text) = SOURCES.into_iter().find(|(known, _)| *known == name)?;
        let content_type = match name.rsplit_once('.')? {
            (_, "js") => "text/javascript; charset=utf-8",
            (_, "css") => "text/css; charset=utf-8",
            _ => return None,
        };
        (hash == self.hash).then_some(Asset { content_type, text })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_served_and_imports_only_what_is_there() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets");
        let files = std::fs::read_dir(folder).unwrap();
        let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let files: BTreeSet<String> = files.collect();
        let served: BTreeSet<String> = SOURCES.map(|(name, _)| name.to_owned()).into();
        assert_eq!(files, served);
        let assets = Assets::new();
        for (name, text) in SOURCES {
            assert!(assets.at(&assets.hash, name).is_some(), "{name}");
            assert!(assets.at("0000000000000000", name).is_none(), "{name}");
            for import in text.split("\"./").skip(1) {
                let (import, _) = import.split_once('"').unwrap();
                assert!(files.contains(import), "{name} imports {import}");
            }
        }
        assert!(assets.at(&assets.hash, "nothing.js").is_none());
    }
}
