//! What happened in a run, byte for byte.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use share_model::seam::Clock;

/// Lines of what happened, each with its virtual time. Clones write to the same trace.
#[derive(Debug, Clone)]
pub struct Trace {
    clock: Arc<dyn Clock>,
    lines: Arc<Mutex<String>>,
}

impl Trace {
    /// An empty trace that goes by `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            lines: Arc::default(),
        }
    }

    /// Adds a line.
    pub fn line(&self, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(lines, "{} {text}", self.clock.now()).expect("a string takes every line");
    }

    /// Adds bytes that went over a connection.
    pub fn bytes(&self, what: &str, bytes: &[u8]) {
        let mut hex = String::with_capacity(bytes.len() * 2);
        for byte in bytes {
            write!(hex, "{byte:02x}").expect("a string takes every byte");
        }
        self.line(&format!("{what} {hex}"));
    }

    /// All lines so far.
    pub fn text(&self) -> String {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
