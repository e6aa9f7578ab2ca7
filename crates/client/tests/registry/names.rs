//! Names: kept as given, bounded, and never two that look the same.

use std::collections::HashMap;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use share_client::{NameError, SessionName};

use crate::folder::{Folder, all, create, open_in};

/// Names per seed; `SHARE_SEED=n` runs that one only.
const NAMES: usize = 3_000;

/// What gets mixed up if anything does: escapes, ends of names, control characters, letters that
/// look or fold alike, combining marks.
const PIECES: &[&str] = &[
    "a",
    "A",
    "%",
    "%41",
    "%61",
    "%%",
    "/",
    "%2f",
    "\\",
    "\\u{1b}",
    "\u{1b}",
    "\u{9b}",
    "\u{7f}",
    "\0",
    "\n",
    "\t",
    " ",
    "\"",
    "'",
    ".",
    "..",
    "é",
    "e\u{301}",
    "\u{301}",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
    "ß",
    "ss",
    "İ",
    "K",
    "\u{212a}",
    "~",
    "-",
    "_",
    "0",
    "\u{10ffff}",
];

fn seeds() -> std::ops::Range<u64> {
    match std::env::var("SHARE_SEED") {
        Ok(seed) => {
            let seed = seed.parse().unwrap();
            seed..seed + 1
        }
        Err(_) => 0..8,
    }
}

fn random_name(random: &mut ChaCha20Rng) -> String {
    let pieces = match random.next_u32() % 4 {
        0 => 1,
        1 => 2,
        2 => 1 + random.next_u32() % 6,
        _ => 1 + random.next_u32() % 400,
    };
    let mut name = String::new();
    for _ in 0..pieces {
        let at = random.next_u32() as usize % PIECES.len();
        if name.len() + PIECES[at].len() > 512 {
            break;
        }
        name.push_str(PIECES[at]);
    }
    name
}

/// Characters that a terminal would obey, or that would make text look like another.
fn is_treacherous(character: char) -> bool {
    let is_format = matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    character.is_control() || is_format
}

#[test]
fn two_names_never_give_the_same_segment_or_text_and_none_holds_what_a_terminal_obeys() {
    for seed in seeds() {
        println!("replay with: SHARE_SEED={seed} cargo test -p share-client --test registry names");
        let mut random = ChaCha20Rng::seed_from_u64(seed);
        let mut by_segment: HashMap<String, String> = HashMap::new();
        let mut by_text: HashMap<String, (String, String)> = HashMap::new();
        for _ in 0..NAMES {
            let (project, session) = (random_name(&mut random), random_name(&mut random));
            let name = SessionName::new(&*project, &*session).unwrap();
            let text = name.to_string();
            assert!(
                !text.contains(is_treacherous),
                "{project:?} {session:?}: {text:?}"
            );
            let pair = (project.clone(), session.clone());
            let other = by_text.entry(text).or_insert_with(|| pair.clone());
            assert_eq!(*other, pair, "one text for both");
            for (given, segment) in [project, session].into_iter().zip(name.segments()) {
                let is_plain =
                    |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.%".contains(c);
                assert!(segment.chars().all(is_plain), "{given:?}: {segment:?}");
                assert!((1..=186).contains(&segment.len()), "{given:?}: {segment:?}");
                assert!(
                    !segment.starts_with('.') && !segment.ends_with('.'),
                    "{given:?}"
                );
                let other = by_segment.entry(segment).or_insert_with(|| given.clone());
                assert_eq!(*other, given, "one segment for both");
            }
        }
        assert!(
            by_segment.len() > 1_000,
            "the names are too much alike to show anything"
        );
    }
}

#[test]
fn long_names_that_differ_at_their_end_have_segments_of_their_own() {
    let segment = |end: char| {
        let long = format!("{}{end}", "x".repeat(511));
        SessionName::new(long, "s").unwrap().segments()[0].clone()
    };
    assert_ne!(segment('a'), segment('b'));
    assert!(segment('a').len() <= 186);
}

#[test]
fn a_name_has_1_to_512_bytes() {
    assert!(SessionName::new("p", "é".repeat(256)).is_ok());
    let error = SessionName::new("p", format!("{}x", "é".repeat(256))).unwrap_err();
    assert_eq!(
        error,
        NameError::TooLong {
            part: "session",
            bytes: 513,
            max: 512
        }
    );
    let error = SessionName::new("", "s").unwrap_err();
    assert_eq!(error, NameError::Empty { part: "project" });
}

#[tokio::test]
async fn names_that_look_or_fold_alike_are_sessions_of_their_own_and_kept_as_given() {
    let folder = Folder::new();
    let registry = folder.registry();
    let mut shares = std::collections::HashSet::new();
    let pairs = [
        ("a", "b c"),
        ("a b", "c"),
        ("a", "b"),
        ("A", "b"),
        ("é", "b"),
        ("e\u{301}", "b"),
        ("a ", "b"),
        ("a", "b\0"),
        ("a", "b\0c"),
        ("\u{1b}[2J", "\u{9b}2J"),
        ("1", "2"),
        ("01", "2"),
        ("1.0", "2"),
    ];
    for (project, session) in pairs {
        let open = share_client::OpenSession {
            name: SessionName::new(project, session).unwrap(),
            ..crate::folder::open("x")
        };
        shares.insert(open_in(&registry, open).await.reference.share);
    }
    assert_eq!(shares.len(), pairs.len());
    let kept: Vec<_> = all(&folder.registry()).await;
    let kept: Vec<_> = kept
        .iter()
        .map(|entry| (entry.name.project(), entry.name.session()))
        .collect();
    assert_eq!(kept, pairs);
    create(&registry, "one more").await;
}
