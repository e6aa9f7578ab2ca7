//! Which piece has which colour.

use ratatui::style::{Color, Modifier, Style};

/// Colours of the terminal's own palette, or none at all: then weight alone tells pieces apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Theme {
    has_colour: bool,
}

impl Theme {
    pub(super) fn new(has_colour: bool) -> Self {
        Self { has_colour }
    }

    fn colour(self, colour: Color) -> Style {
        match self.has_colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    pub(super) fn plain(self) -> Style {
        Style::new()
    }

    /// What is there for those who look for it.
    pub(super) fn quiet(self) -> Style {
        match self.has_colour {
            true => Style::new().fg(Color::DarkGray),
            false => Style::new().add_modifier(Modifier::DIM),
        }
    }

    pub(super) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn user(self) -> Style {
        self.colour(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub(super) fn assistant(self) -> Style {
        self.colour(Color::Green).add_modifier(Modifier::BOLD)
    }

    pub(super) fn heading(self) -> Style {
        self.colour(Color::Magenta).add_modifier(Modifier::BOLD)
    }

    pub(super) fn code(self) -> Style {
        self.colour(Color::Yellow)
    }

    pub(super) fn link(self) -> Style {
        self.colour(Color::Blue).add_modifier(Modifier::UNDERLINED)
    }

    pub(super) fn tool(self) -> Style {
        self.colour(Color::Blue).add_modifier(Modifier::BOLD)
    }

    pub(super) fn good(self) -> Style {
        self.colour(Color::Green)
    }

    pub(super) fn bad(self) -> Style {
        self.colour(Color::Red)
    }

    pub(super) fn going(self) -> Style {
        self.colour(Color::Yellow)
    }

    pub(super) fn added(self) -> Style {
        self.colour(Color::Green)
    }

    pub(super) fn removed(self) -> Style {
        self.colour(Color::Red)
    }

    pub(super) fn hunk(self) -> Style {
        self.colour(Color::Cyan)
    }

    /// The lines at the top and at the bottom.
    pub(super) fn bar(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The item that a key folds.
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
