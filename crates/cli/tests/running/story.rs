//! Commands, one after the other, and all that they said: what a person at a terminal would see.
//!
//! What differs from run to run is replaced: ids and secrets by numbers in the order in which they
//! came, ages by `<age>`, ports by `PORT`. How many sessions were open when something ended is left
//! out: that of the command before may not have been given up yet.

use std::fmt::Write;

use super::{Ended, Place};

/// A share id, a grant id, an op id.
const ID_CHARS: usize = 32;
/// A slug.
const SLUG_CHARS: usize = 22;
/// A secret, an owner id.
const SECRET_CHARS: usize = 43;

#[derive(Default)]
pub(crate) struct Story {
    told: String,
    /// In the order in which they came; each is one of these, for ever.
    names: Vec<String>,
}

impl Story {
    /// Runs a command and tells what it said.
    pub(crate) fn share(&mut self, place: &Place, args: &[&str]) -> Ended {
        let ended = place.share(args);
        self.tell(args, &ended);
        ended
    }

    /// Runs a command that makes a ref, or a slug, and stores that in a file.
    pub(crate) fn made(&mut self, place: &Place, args: &[&str], file: &str) -> Ended {
        let ended = self.share(place, args);
        assert_eq!(ended.code, 0, "{ended:?}");
        place.write(file, &ended.out);
        ended
    }

    /// Tells what a command said.
    pub(crate) fn tell(&mut self, args: &[&str], ended: &Ended) {
        let words: Vec<_> = args.iter().map(|word| quoted(word)).collect();
        let words = self.plain(&words.join(" "));
        let (out, err) = (self.plain(&ended.out), self.plain(&ended.err));
        let mut said = format!("$ share {words}");
        for line in out.lines() {
            said += &format!("  {line}\n");
        }
        for line in err.lines().filter(|line| !line.is_empty()) {
            said += &format!("! {line}\n");
        }
        if ended.code != 0 {
            said += &format!("= {}\n", ended.code);
        }
        self.told += &said;
        self.told.push('\n');
    }

    /// All that was said.
    pub(crate) fn told(&self) -> &str {
        &self.told
    }

    /// The text without what differs from run to run.
    fn plain(&mut self, text: &str) -> String {
        let mut plain = String::new();
        for line in text.lines() {
            let line = self.without_ids(line);
            let line = without_live(&without_ages(&line));
            let line = match line.starts_with("cut: ") {
                true => without_sessions(&line),
                false => line,
            };
            writeln!(plain, "{line}").expect("a string takes all");
        }
        plain
    }

    fn without_ids(&mut self, line: &str) -> String {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let mut plain = String::new();
        let mut rest = line;
        while !rest.is_empty() {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            plain += &self.name_of(word, plain.ends_with("127.0.0.1:"));
            let mut others = after.chars();
            plain.extend(others.next());
            rest = others.as_str();
        }
        plain
    }

    fn name_of(&mut self, word: &str, is_port: bool) -> String {
        let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let is_time = word.len() == 13 && word.chars().all(|c| c.is_ascii_digit());
        let kind = match word.len() {
            _ if is_port => return "PORT".to_owned(),
            _ if is_time => return "<ms>".to_owned(),
            ID_CHARS if word.chars().all(is_hex) => "id",
            SLUG_CHARS => "slug",
            SECRET_CHARS => "secret",
            _ => return word.to_owned(),
        };
        let known = self.names.iter().position(|name| name == word);
        let at = known.unwrap_or_else(|| {
            self.names.push(word.to_owned());
            self.names.len() - 1
        });
        format!("<{kind} {}>", at + 1)
    }
}

fn quoted(word: &str) -> String {
    match word.contains(' ') {
        true => format!("\"{word}\""),
        false => word.to_owned(),
    }
}

/// `3 seconds ago` and the spaces behind it.
fn without_ages(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(" ago") {
        let (before, after) = (&rest[..at], &rest[at + " ago".len()..]);
        let words: Vec<_> = before.rsplitn(3, ' ').collect();
        let (unit, number) = (words[0], words.get(1).copied().unwrap_or_default());
        let is_age = number.parse::<u64>().is_ok();
        let kept = before.len()
            - if is_age {
                unit.len() + number.len() + 1
            } else {
                0
            };
        plain += &before[..kept];
        plain += if is_age { "<age>" } else { "" };
        plain += " ago";
        let padding = after.len() - after.trim_start_matches(' ').len();
        plain += if padding > 0 { " " } else { "" };
        rest = &after[padding..];
    }
    plain + rest
}

/// How many sessions and viewers are there at the moment.
fn without_live(line: &str) -> String {
    let parts: Vec<_> = line
        .split(", ")
        .filter(|part| !part.ends_with(" now"))
        .collect();
    parts.join(", ")
}

/// Of what was cut, only what does not hang on how fast a connection is given up.
fn without_sessions(line: &str) -> String {
    let is_steady = |part: &&str| !part.contains("session") && !part.contains("appender");
    let parts: Vec<_> = line.split(", ").filter(is_steady).collect();
    parts.join(", ")
}
