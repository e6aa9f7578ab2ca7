//! Feeds pieces of the recording to whichever client process is alive, up to a mark that the run
//! moves on; a new process gets them again from the first.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::demo::pieces::Pieces;
use crate::error::{CliError, Kind};

/// How far to feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// This many pieces.
    Pieces(usize),
    /// All that is left, then the end of the input.
    End,
}

/// The feed of a run.
#[derive(Debug)]
pub(super) struct Feed {
    pieces: Arc<Pieces>,
    mark: watch::Sender<Mark>,
    /// One per client process; those of processes that are gone end by themselves.
    feeders: JoinSet<()>,
}

impl Feed {
    /// A feed that has not begun.
    pub(super) fn new(pieces: Arc<Pieces>) -> Self {
        Self {
            pieces,
            mark: watch::Sender::new(Mark::Pieces(0)),
            feeders: JoinSet::new(),
        }
    }

    /// Lets `count` pieces be fed, counted from the first.
    pub(super) fn up_to(&self, count: usize) {
        self.mark.send_replace(Mark::Pieces(count));
    }

    /// Lets all be fed, and then the input end.
    pub(super) fn to_the_end(&self) {
        self.mark.send_replace(Mark::End);
    }

    /// The standard input of a new client process.
    pub(super) fn attach(&mut self) -> Result<Stdio, CliError> {
        let open =
            |error| CliError::new(Kind::Bug, "make an input for the client").caused_by(error);
        let (ours, theirs) = StdUnixStream::pair().map_err(open)?;
        ours.set_nonblocking(true).map_err(open)?;
        let ours = UnixStream::from_std(ours).map_err(open)?;
        self.feeders
            .spawn(feed(Arc::clone(&self.pieces), self.mark.subscribe(), ours));
        Ok(Stdio::from(OwnedFd::from(theirs)))
    }
}

async fn feed(pieces: Arc<Pieces>, mut mark: watch::Receiver<Mark>, mut to: UnixStream) {
    // A write that fails means that the process is gone; the one after it gets everything again.
    if to.write_all(pieces.opening.as_bytes()).await.is_err() {
        return;
    }
    for (index, piece) in pieces.pieces.iter().enumerate() {
        let may_go = mark.wait_for(|mark| match *mark {
            Mark::Pieces(count) => index < count,
            Mark::End => true,
        });
        if may_go.await.is_err() || to.write_all(piece.line.as_bytes()).await.is_err() {
            return;
        }
    }
    // Closed any earlier, the input would look like the end of the recording.
    let _ended = mark.wait_for(|mark| *mark == Mark::End).await;
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use share_opencode::Recording;

    use super::*;

    const RECORDING: &str = r#"{"t_ms":1,"method":"POST","path":"/api/share","body":{"sessionID":"s"}}
{"t_ms":2,"method":"POST","path":"/api/share/a/sync","body":{"data":[{"type":"a","data":1},{"type":"b","data":2}]}}
"#;

    fn cat(feed: &mut Feed) -> std::process::Child {
        let stdin = feed.attach().unwrap();
        Command::new("cat")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    async fn output(child: std::process::Child) -> String {
        let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap());
        String::from_utf8(output.await.unwrap().stdout).unwrap()
    }

    #[tokio::test]
    async fn each_process_gets_the_recording_from_its_beginning_and_then_the_end() {
        let pieces = Pieces::read(Recording::new(RECORDING.as_bytes()).unwrap()).unwrap();
        let [a, b] = &pieces.pieces[..] else {
            panic!("{pieces:?}")
        };
        let whole = format!("{}{}{}", pieces.opening, a.line, b.line);
        let mut feed = Feed::new(Arc::new(pieces.clone()));
        feed.up_to(1);
        let mut killed = cat(&mut feed);
        killed.kill().unwrap();
        killed.wait().unwrap();
        let second = cat(&mut feed);
        feed.to_the_end();
        assert_eq!(output(second).await, whole);
    }
}
