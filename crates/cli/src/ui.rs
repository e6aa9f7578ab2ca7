//! The only place that prints: data on stdout, everything else on stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::error::{CliError, Kind};
use crate::printable::printable;

/// Writes one line of data to stdout. A reader that went away ends the program quietly.
pub(crate) fn data(line: impl AsRef<str>) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    let written = out
        .write_all(line.as_ref().as_bytes())
        .and_then(|()| out.write_all(b"\n"));
    match written.and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(CliError::refused("write to standard output").caused_by(error)),
    }
}

/// Writes one value as one line of JSON to stdout.
pub(crate) fn json(value: &impl Serialize) -> Result<(), CliError> {
    let line = serde_json::to_string(value)
        .map_err(|error| CliError::new(Kind::Bug, "render the answer as JSON").caused_by(error))?;
    data(line)
}

/// Says something that is not data.
pub(crate) fn note(text: impl AsRef<str>) {
    stderr(text.as_ref());
}

/// Says that something is not as it should be, though the command goes on.
pub(crate) fn warning(text: impl AsRef<str>) {
    stderr(&format!("warning: {}", text.as_ref()));
}

/// Says why the command ends, and what to do next.
pub(crate) fn error(error: &CliError) {
    stderr(&format!("error: {error}"));
    if let Some(hint) = error.hint_text() {
        stderr(&format!("\nhint: {hint}"));
    }
}

fn stderr(text: &str) {
    // Messages quote what others wrote: an op, a server, a file.
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    // Nobody is left to be told if stderr is gone.
    let _ = writeln!(io::stderr().lock(), "{}", lines.join("\n"));
}

/// A line on a terminal's stderr that is drawn over; nothing where stderr is not a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    is_drawn: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { is_drawn: false }
    }

    /// Shows `done` of `total`.
    pub(crate) fn show(&mut self, what: &str, done: u64, total: u64) {
        if !io::stderr().is_terminal() || total == 0 {
            return;
        }
        const WIDTH: u64 = 30;
        let filled = usize::try_from(done.min(total) * WIDTH / total).unwrap_or(0);
        let bar: String = (0..30)
            .map(|at| if at < filled { '#' } else { '.' })
            .collect();
        // A progress bar that can't be drawn is no reason to stop.
        let _ = write!(io::stderr().lock(), "\r{what} [{bar}] {done}/{total} ");
        self.is_drawn = true;
    }
}

/// Ends the line that was drawn over.
impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_drawn {
            stderr("");
        }
    }
}
