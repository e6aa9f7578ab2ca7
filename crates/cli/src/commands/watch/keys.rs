//! Which key does what.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    Help,
    Escape,
    Lines(isize),
    Pages(isize),
    Begin,
    End,
    Follow,
    Toggle,
    Select { is_next: bool },
    FoldAll { is_folded: bool },
    Replay,
    Live,
    Faster,
    Slower,
    Pause,
    Seek { is_forward: bool },
}

/// The keys, as `?` tells them.
pub(super) const HELP: &[(&str, &str)] = &[
    ("j k ↓ ↑", "a line down, up; so does the mouse wheel"),
    ("PgDn PgUp", "a page down, up"),
    ("Home End", "the beginning, the end; g and G too"),
    ("f", "follow what comes, or stay"),
    ("n p", "select the next item that folds, the one before"),
    ("Tab Enter", "fold or unfold it; so does a click"),
    ("z Z", "fold all, unfold all"),
    ("r", "replay the session from its first op"),
    ("+ -", "replay faster, slower"),
    ("Space", "pause the replay, go on"),
    ("← →", "a step back in the replay, forward"),
    ("l", "back to live"),
    ("Shift-drag", "select text, where the terminal has it so"),
    ("?", "this help"),
    ("q Ctrl-C", "quit"),
];

/// What the key asks for, if it asks for anything.
pub(super) fn action(key: KeyEvent) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('f') => Some(Action::Pages(1)),
            KeyCode::Char('b') => Some(Action::Pages(-1)),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Char('q') => Action::Quit,
        KeyCode::Char('?') => Action::Help,
        KeyCode::Esc => Action::Escape,
        KeyCode::Char('j') | KeyCode::Down => Action::Lines(1),
        KeyCode::Char('k') | KeyCode::Up => Action::Lines(-1),
        KeyCode::PageDown => Action::Pages(1),
        KeyCode::PageUp => Action::Pages(-1),
        KeyCode::Home | KeyCode::Char('g') => Action::Begin,
        KeyCode::End | KeyCode::Char('G') => Action::End,
        KeyCode::Char('f') => Action::Follow,
        KeyCode::Tab | KeyCode::Enter => Action::Toggle,
        KeyCode::Char('n') => Action::Select { is_next: true },
        KeyCode::Char('p') => Action::Select { is_next: false },
        KeyCode::Char('z') => Action::FoldAll { is_folded: true },
        KeyCode::Char('Z') => Action::FoldAll { is_folded: false },
        KeyCode::Char('r') => Action::Replay,
        KeyCode::Char('l') => Action::Live,
        KeyCode::Char('+' | '=') => Action::Faster,
        KeyCode::Char('-') => Action::Slower,
        KeyCode::Char(' ') => Action::Pause,
        KeyCode::Left => Action::Seek { is_forward: false },
        KeyCode::Right => Action::Seek { is_forward: true },
        _ => return None,
    })
}
