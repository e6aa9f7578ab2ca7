//! Wrapping, by what a reader sees.

use super::*;

fn wrapped(text: &str, width: u16, breaks: Breaks) -> Vec<String> {
    let mut paper = Paper::new(Theme::new(false), WatchLimits::DEFAULT, width);
    let margin = Margin {
        first: vec![Span::raw("- ")],
        rest: vec![Span::raw("  ")],
    };
    paper.wrapped(&[Span::raw(text.to_owned())], &margin, breaks);
    paper.into_lines().iter().map(Line::to_string).collect()
}

#[test]
fn lines_are_broken_between_words_and_words_that_do_not_fit_anywhere() {
    let lines = wrapped("one two three", 9, Breaks::Words);
    assert_eq!(lines, ["- one two", "  three"]);
    let lines = wrapped("abcdefghij", 8, Breaks::Words);
    assert_eq!(lines, ["- abcdef", "  ghij"]);
    let lines = wrapped("a b c d e", 8, Breaks::Anywhere);
    assert_eq!(lines, ["- a b c ", "  d e"]);
}

#[test]
fn wide_characters_are_not_cut_in_half() {
    let lines = wrapped("日本語日本語", 8, Breaks::Words);
    assert_eq!(lines, ["- 日本語", "  日本語"]);
    let lines = wrapped("x日本語", 8, Breaks::Anywhere);
    assert_eq!(lines, ["- x日本", "  語"]);
}

#[test]
fn marks_piled_upon_marks_are_one_replacement_character() {
    let lines = wrapped(&format!("a{}b", "\u{301}".repeat(1000)), 20, Breaks::Words);
    assert_eq!(lines, ["- \u{fffd}b"]);
}

#[test]
fn an_item_of_more_lines_than_the_limit_ends_with_a_word_about_it() {
    let limits = WatchLimits {
        item_lines_max: 3,
        ..WatchLimits::DEFAULT
    };
    for (text, lines, is_cut) in [("1\n2\n3", 3, false), ("1\n2\n3\n4", 4, true)] {
        let mut paper = Paper::new(Theme::new(false), limits, 80);
        paper.verbatim(text, Style::new(), &Margin::default());
        let laid = paper.into_lines();
        assert_eq!(laid.len(), lines);
        assert_eq!(laid[lines - 1].to_string().starts_with("… more"), is_cut);
    }
}

#[test]
fn of_a_text_longer_than_the_limit_it_is_said_how_much_is_left_out() {
    let limits = WatchLimits {
        text_bytes_max: 4,
        ..WatchLimits::DEFAULT
    };
    for (text, last) in [
        ("abcd", "abcd"),
        ("abcdef", "… 2 bytes more: `share show` has all of it"),
    ] {
        let mut paper = Paper::new(Theme::new(false), limits, 80);
        paper.verbatim(text, Style::new(), &Margin::default());
        assert_eq!(paper.into_lines().last().unwrap().to_string(), last);
    }
}
