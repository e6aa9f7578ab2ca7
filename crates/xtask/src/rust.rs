//! What the checks ask of Rust source, answered from its tokens: comments never count, and neither
//! do strings that only look like code.

use std::str::FromStr;

use proc_macro2::{Delimiter, Group, LexError, Spacing, TokenStream, TokenTree};

/// One name or literal of a source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    /// As it is written; a literal with its quotes.
    pub(crate) text: String,
    /// The line on which it begins, counted from 1.
    pub(crate) line: usize,
    pub(crate) is_literal: bool,
    /// Does it stand in an item under `#[cfg(test)]`?
    pub(crate) is_test: bool,
}

/// A `mod name;` whose body is another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ModuleFile {
    /// The modules with bodies in this file around it, outermost first.
    pub(crate) within: Vec<String>,
    pub(crate) name: String,
    /// The value of its `#[path = "…"]`.
    pub(crate) path: Option<String>,
}

/// The tokens of one source file.
#[derive(Debug)]
pub(crate) struct Source {
    tokens: TokenStream,
}

impl Source {
    /// Lexes a source file.
    ///
    /// # Errors
    ///
    /// When the text is not made of Rust's tokens.
    pub(crate) fn parse(text: &str) -> Result<Source, LexError> {
        Ok(Source {
            tokens: TokenStream::from_str(text)?,
        })
    }

    /// All names and literals in their order, documentation left out.
    pub(crate) fn words(&self) -> Vec<Word> {
        let mut words = Vec::new();
        collect_words(self.tokens.clone(), false, &mut words);
        words
    }

    /// The modules that this file declares and other files hold.
    pub(crate) fn module_files(&self) -> Vec<ModuleFile> {
        let mut found = Vec::new();
        collect_modules(self.tokens.clone(), &[], &mut found);
        found
    }

    /// The long flags that clap derives from fields under `#[arg(long)]`, without their dashes.
    pub(crate) fn long_flags(&self) -> Vec<String> {
        let mut flags = Vec::new();
        collect_flags(self.tokens.clone(), &mut flags);
        flags
    }
}

/// The attribute whose `#` was just taken from `rest`, taken too; `true` beside it for `#![…]`.
fn attribute(
    rest: &mut std::iter::Peekable<proc_macro2::token_stream::IntoIter>,
) -> Option<(Group, bool)> {
    let is_inner = matches!(rest.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == '!');
    if is_inner {
        rest.next();
    }
    match rest.peek() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Bracket => {
            let group = group.clone();
            rest.next();
            Some((group, is_inner))
        }
        _ => None,
    }
}

fn is_punct(tree: Option<&TokenTree>, character: char) -> bool {
    matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == character)
}

/// The name that an attribute begins with: `doc`, `cfg`, `arg`.
fn attribute_name(attribute: &Group) -> Option<String> {
    match attribute.stream().into_iter().next() {
        Some(TokenTree::Ident(name)) => Some(name.to_string()),
        _ => None,
    }
}

/// Is it `cfg(test)`, also within `all(…)`, but not `cfg(not(test))`?
fn is_cfg_test(attribute: &Group) -> bool {
    let text = attribute.stream().to_string();
    let names: Vec<&str> = text
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect();
    names.first() == Some(&"cfg") && names.contains(&"test") && !names.contains(&"not")
}

fn collect_words(tokens: TokenStream, is_test: bool, words: &mut Vec<Word>) {
    let mut is_test = is_test;
    let mut is_test_item = false;
    let mut rest = tokens.into_iter().peekable();
    while let Some(tree) = rest.next() {
        match &tree {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let Some((group, is_inner)) = attribute(&mut rest) else {
                    continue;
                };
                if is_cfg_test(&group) {
                    is_test |= is_inner;
                    is_test_item |= !is_inner;
                } else if attribute_name(&group).as_deref() != Some("doc") {
                    collect_words(group.stream(), is_test || is_test_item, words);
                }
            }
            TokenTree::Punct(punct) => is_test_item &= punct.as_char() != ';',
            TokenTree::Group(group) => {
                collect_words(group.stream(), is_test || is_test_item, words);
                is_test_item &= group.delimiter() != Delimiter::Brace;
            }
            TokenTree::Ident(_) | TokenTree::Literal(_) => words.push(Word {
                text: tree.to_string(),
                line: tree.span().start().line,
                is_literal: matches!(tree, TokenTree::Literal(_)),
                is_test: is_test || is_test_item,
            }),
        }
    }
}

/// The value of `name = "value"`, wherever it stands in an attribute.
fn string_value(attribute: TokenStream, name: &str) -> Option<String> {
    let trees: Vec<TokenTree> = attribute.into_iter().collect();
    trees.windows(3).find_map(|window| match window {
        [TokenTree::Ident(key), equals, TokenTree::Literal(value)]
            if key == name && is_punct(Some(equals), '=') =>
        {
            Some(value.to_string().trim_matches('"').to_owned())
        }
        _ => None,
    })
}

fn collect_modules(tokens: TokenStream, within: &[String], found: &mut Vec<ModuleFile>) {
    let mut path = None;
    let mut rest = tokens.into_iter().peekable();
    while let Some(tree) = rest.next() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some((group, _)) = attribute(&mut rest) {
                    path = string_value(group.stream(), "path").or(path);
                }
            }
            TokenTree::Ident(word) if word == "mod" => {
                let Some(TokenTree::Ident(name)) = rest.next() else {
                    continue;
                };
                let name = name.to_string();
                match rest.next() {
                    Some(TokenTree::Group(body)) => {
                        let mut inner = within.to_vec();
                        inner.push(path.take().unwrap_or(name));
                        collect_modules(body.stream(), &inner, found);
                    }
                    _ => found.push(ModuleFile {
                        within: within.to_vec(),
                        name,
                        path: path.take(),
                    }),
                }
            }
            // `pub(crate)` stands between an attribute and its `mod`.
            TokenTree::Ident(word) if word == "pub" => {}
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => {}
            _ => path = None,
        }
    }
}

/// The flag that an attribute of a field gives: `Some(None)` when clap takes the field's name.
fn long_flag(attribute: &Group) -> Option<Option<String>> {
    let mut trees = attribute.stream().into_iter();
    match (trees.next(), trees.next()) {
        (Some(TokenTree::Ident(name)), Some(TokenTree::Group(arguments))) if name == "arg" => {
            let mut words = arguments.stream().into_iter();
            words
                .any(|tree| matches!(&tree, TokenTree::Ident(word) if word == "long"))
                .then(|| string_value(arguments.stream(), "long"))
        }
        _ => None,
    }
}

fn collect_flags(tokens: TokenStream, flags: &mut Vec<String>) {
    let mut pending = None;
    let mut rest = tokens.into_iter().peekable();
    while let Some(tree) = rest.next() {
        match tree {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some((group, _)) = attribute(&mut rest) {
                    pending = long_flag(&group).or(pending);
                }
            }
            TokenTree::Group(group) => collect_flags(group.stream(), flags),
            TokenTree::Ident(field) => {
                let is_field = matches!(rest.peek(), Some(TokenTree::Punct(punct))
                    if punct.as_char() == ':' && punct.spacing() == Spacing::Alone);
                if is_field && let Some(flag) = pending.take() {
                    flags.push(flag.unwrap_or_else(|| field.to_string().replace('_', "-")));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::parse(text).expect("lex the source")
    }

    #[test]
    fn words_leave_out_comments_and_documentation_and_mark_tests() {
        let text = "//! one\n/// two\nfn a() { /* three */ f(\"four\") }\n\
                    #[cfg(test)]\nmod tests { fn b() {} }\nfn c() {}\n";
        let words = source(text).words();
        let shape: Vec<(&str, usize, bool)> = words
            .iter()
            .map(|word| (word.text.as_str(), word.line, word.is_test))
            .collect();
        let expected = [
            ("fn", 3, false),
            ("a", 3, false),
            ("f", 3, false),
            ("\"four\"", 3, false),
            ("mod", 5, true),
            ("tests", 5, true),
            ("fn", 5, true),
            ("b", 5, true),
            ("fn", 6, false),
            ("c", 6, false),
        ];
        assert_eq!(shape, expected);
    }

    #[test]
    fn cfg_not_test_is_no_test() {
        assert!(
            source("#[cfg(not(test))] fn a() {}")
                .words()
                .iter()
                .all(|word| !word.is_test)
        );
    }

    #[test]
    fn module_files_know_the_modules_around_them_and_their_path() {
        let text = "mod a;\npub(crate) mod b { mod c; }\n#[cfg(test)]\n#[path = \"d/x.rs\"]\nmod d;\nmod e;";
        let found = source(text).module_files();
        let shape: Vec<(String, &str, Option<&str>)> = found
            .iter()
            .map(|module| {
                (
                    module.within.join("/"),
                    module.name.as_str(),
                    module.path.as_deref(),
                )
            })
            .collect();
        let expected = [
            (String::new(), "a", None),
            ("b".to_owned(), "c", None),
            (String::new(), "d", Some("d/x.rs")),
            (String::new(), "e", None),
        ];
        assert_eq!(shape, expected);
    }

    #[test]
    fn long_flags_come_from_fields_and_from_given_names() {
        let text = "struct Serve {\n/// Doc.\n#[arg(long, value_name = \"DIR\")]\npub(crate) data_dir: std::path::PathBuf,\n\
                    #[arg(long = \"listen\")]\naddress: String,\n#[arg(short)]\nquiet: bool }";
        assert_eq!(source(text).long_flags(), ["data-dir", "listen"]);
    }
}
