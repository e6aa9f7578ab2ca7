//! The terminal, as it is while it is watched, and as it was before.

use std::io::{self, Stdout};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

/// Whether the terminal is not as it was before.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
static PANIC_HOOK: Once = Once::new();

/// The terminal taken over; given back when this is dropped, and before a panic is told.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn take() -> io::Result<Self> {
        PANIC_HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        let (width, height) = size()?;
        let viewport = Viewport::Fixed(Rect::new(0, 0, width, height));
        let backend = CrosstermBackend::new(io::stdout());
        let terminal = Terminal::with_options(backend, TerminalOptions { viewport })?;
        IS_TAKEN.store(true, Ordering::SeqCst);
        // From here on it is given back, whatever happens.
        let mut screen = Self { terminal };
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture, Hide)?;
        // Clears it too, and asks the terminal nothing: one that does not answer is of use all the same.
        screen.resize(width, height)?;
        Ok(screen)
    }

    /// After the terminal's size has changed.
    pub(super) fn resize(&mut self, width: u16, height: u16) -> io::Result<()> {
        self.terminal.resize(Rect::new(0, 0, width, height))
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(draw).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// The size of the terminal that standard output is.
pub(super) fn size() -> io::Result<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout())?;
    match (size.ws_col, size.ws_row) {
        // A terminal that does not know has room for this much by custom.
        (0, _) | (_, 0) => Ok((80, 24)),
        size => Ok(size),
    }
}

/// Makes the terminal as it was before, once.
fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // A terminal that went away needs nothing any more.
    let _ = execute!(
        io::stdout(),
        DisableMouseCapture,
        LeaveAlternateScreen,
        Show
    );
    let _ = disable_raw_mode();
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::commands::watch::pty::Pty;

    const ACTS: &str = "SHARE_TEST_ACTS";

    /// Not a test of its own: what the next one starts in a terminal.
    #[test]
    fn actor() {
        if std::env::var_os(ACTS).is_some() {
            let mut screen = Screen::take().unwrap();
            let draw = |frame: &mut Frame<'_>| frame.render_widget("what is shown", frame.area());
            screen.draw(draw).unwrap();
            panic!("on purpose");
        }
    }

    #[test]
    fn a_panic_gives_the_terminal_back_before_it_is_told() {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = "commands::watch::terminal::tests::actor";
        command
            .args([name, "--exact", "--nocapture"])
            .env(ACTS, "1");
        let mut pty = Pty::spawn(command);
        assert_eq!(pty.ends(), Some(101));
        let left = pty.screen().contents();
        assert!(
            left.contains("on purpose") && !left.contains("what is shown"),
            "{left}"
        );
    }
}
