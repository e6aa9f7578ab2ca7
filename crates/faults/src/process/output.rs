//! What a child prints: stdout line by line for the script, both streams' ends for messages.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    sync::mpsc,
    task::JoinSet,
};

/// Lines of stdout that wait to be read before the child is held back.
const LINES_WAITING_MAX: usize = 64;
/// Longer lines are cut into pieces of this size.
const LINE_BYTES_MAX: u64 = 1024 * 1024;
const TRANSCRIPT_LINES_MAX: usize = 200;
const TRANSCRIPT_LINE_CHARS_MAX: usize = 400;

/// The last lines that a process printed, oldest first, each with its stream's name.
#[derive(Debug, Clone, Default)]
pub struct Transcript(VecDeque<String>);

impl Transcript {
    fn push(&mut self, stream: &str, line: &str) {
        if self.0.len() == TRANSCRIPT_LINES_MAX {
            self.0.pop_front();
        }
        let shown: String = line.chars().take(TRANSCRIPT_LINE_CHARS_MAX).collect();
        self.0.push_back(format!("{stream}: {shown}"));
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(nothing)");
        }
        for (index, line) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{line}")?;
        }
        Ok(())
    }
}

/// The readers of a child's pipes; they end with it.
#[derive(Debug)]
pub(super) struct Output {
    lines: mpsc::Receiver<String>,
    /// Locked for a push or a copy only, never across an await.
    transcript: Arc<Mutex<Transcript>>,
    readers: JoinSet<()>,
}

impl Output {
    pub(super) fn read(
        stdout: impl AsyncRead + Unpin + Send + 'static,
        stderr: impl AsyncRead + Unpin + Send + 'static,
    ) -> Output {
        let (sender, lines) = mpsc::channel(LINES_WAITING_MAX);
        let transcript = Arc::new(Mutex::new(Transcript::default()));
        let mut readers = JoinSet::new();
        readers.spawn(read_lines(
            stdout,
            "stdout",
            Arc::clone(&transcript),
            Some(sender),
        ));
        readers.spawn(read_lines(stderr, "stderr", Arc::clone(&transcript), None));
        Output {
            lines,
            transcript,
            readers,
        }
    }

    pub(super) async fn next_line(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// Both streams were read to their ends.
    pub(super) async fn ended(&mut self) {
        while self.readers.join_next().await.is_some() {}
    }

    pub(super) fn transcript(&self) -> Transcript {
        lock(&self.transcript).clone()
    }
}

async fn read_lines(
    stream: impl AsyncRead + Unpin,
    name: &'static str,
    transcript: Arc<Mutex<Transcript>>,
    lines: Option<mpsc::Sender<String>>,
) {
    let mut stream = BufReader::new(stream);
    let mut bytes = Vec::new();
    // A pipe's read error leaves nothing to be read either: it ends the stream like its close.
    while let Ok(1..) = (&mut stream)
        .take(LINE_BYTES_MAX)
        .read_until(b'\n', &mut bytes)
        .await
    {
        let text = String::from_utf8_lossy(&bytes);
        let line = text.strip_suffix('\n').unwrap_or(&text).to_owned();
        bytes.clear();
        lock(&transcript).push(name, &line);
        if let Some(lines) = &lines
            && lines.send(line).await.is_err()
        {
            return;
        }
    }
}

fn lock(transcript: &Mutex<Transcript>) -> std::sync::MutexGuard<'_, Transcript> {
    transcript.lock().unwrap_or_else(PoisonError::into_inner)
}
