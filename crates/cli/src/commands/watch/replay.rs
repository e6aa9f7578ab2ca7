//! The agent session again, from its op log: at a pace, with pauses, forth and back.
//!
//! The log stays with the server. What is kept of it is a window of ops around where the replay stands, and a
//! few documents on the way; who seeks out of the window reads the log again from the nearest of them.

mod marks;
mod pace;
mod window;

use share_client::FollowEvent;
use share_model::{Cursor, HistoryId, LogPosition, LoggedOp, UnixMs};

use super::limits::WatchLimits;
use super::place::Place;
use super::transcript::{Transcript, WatchError};
use marks::Marks;
pub(super) use pace::{Pace, SPEED_MAX};
use window::Window;

/// Ops that are applied before the screen is drawn and keys are heard again.
const STEP_OPS_MAX: usize = 2_000;
/// Of all that is replayed, what one step back or forward skips.
const SEEK_PARTS: u64 = 50;

/// A replay, and where it stands.
#[derive(Debug)]
pub(super) struct Replay {
    transcript: Transcript,
    history: Option<HistoryId>,
    begin: Cursor,
    end: Cursor,
    window: Window,
    marks: Marks,
    pace: Pace,
    /// Go there at once.
    seek: Option<Cursor>,
    /// Counts how often the log was begun anew.
    generation: u64,
    limits: WatchLimits,
}

/// What is to be read of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Another one than before: what was read before is void.
    pub(super) generation: u64,
    pub(super) after: LogPosition,
}

/// What has changed on the screen.
#[derive(Debug, PartialEq)]
pub(super) enum Stale {
    Places(Vec<Place>),
    All,
}

impl Replay {
    /// A replay of all ops up to `end`.
    pub(super) fn new(end: LogPosition, speed: u32, limits: WatchLimits) -> Self {
        let transcript = Transcript::new(&limits);
        let mut marks = Marks::new(limits);
        marks.pass(&transcript);
        Self {
            transcript,
            history: end.history,
            begin: Cursor::ZERO,
            end: end.cursor,
            window: Window::new(limits.window_bytes_max),
            marks,
            pace: Pace::new(speed),
            seek: None,
            generation: 0,
            limits,
        }
    }

    pub(super) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    pub(super) fn transcript_mut(&mut self) -> &mut Transcript {
        &mut self.transcript
    }

    pub(super) fn pace_mut(&mut self) -> &mut Pace {
        &mut self.pace
    }

    pub(super) fn is_at_end(&self) -> bool {
        !self.transcript.is_partial() && self.transcript.cursor() >= self.end
    }

    /// Whether time makes a difference.
    pub(super) fn is_going(&self) -> bool {
        self.seek.is_some() || !(self.pace.is_paused() || self.is_at_end())
    }

    /// What is to be read of the log now, if anything is.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let last = self.window.last().unwrap_or(self.transcript.cursor());
        let is_wanted =
            self.transcript.is_partial() || (last < self.end && self.window.is_hungry());
        is_wanted.then_some(Wanted {
            generation: self.generation,
            after: LogPosition {
                history: self.history.filter(|_| last > Cursor::ZERO),
                cursor: last,
            },
        })
    }

    /// Hears what was read of the log.
    pub(super) fn hear(&mut self, event: &FollowEvent) -> Result<Option<Stale>, WatchError> {
        match event {
            FollowEvent::Ops(ops) => {
                let last = self.window.last().unwrap_or(self.transcript.cursor());
                let new = |op: &&LoggedOp| op.cursor > last && op.cursor <= self.end;
                for op in ops.iter().filter(new) {
                    self.window.push(op.clone());
                }
            }
            // The log does not go back so far: the document from which it does.
            FollowEvent::Reset { at, .. } => {
                let LogPosition { history, cursor } = at.position;
                self.transcript.reset(cursor);
                self.window.restart();
                self.marks.restart();
                self.history = history;
                self.begin = cursor;
                self.end = self.end.max(cursor);
                self.seek = None;
                return Ok(Some(Stale::All));
            }
            FollowEvent::Entries { entries, done } if self.transcript.is_partial() => {
                self.transcript.load(entries, *done)?;
                if *done {
                    self.marks.pass(&self.transcript);
                }
                return Ok(Some(Stale::All));
            }
            _ => {}
        }
        Ok(None)
    }

    /// Goes on, as far as it is time.
    pub(super) fn advance(&mut self, now: UnixMs) -> Result<Stale, WatchError> {
        self.pace.pass(now);
        let mut stale = Vec::new();
        for _ in 0..STEP_OPS_MAX {
            if self
                .seek
                .is_some_and(|target| self.transcript.cursor() >= target)
            {
                self.seek = None;
            }
            let Some(next) = self.window.next() else {
                // Nobody is to run after what came late.
                self.pace.wait();
                break;
            };
            let is_due = self.seek.is_some() || self.pace.is_due(self.transcript.at(), next.at);
            if !is_due {
                break;
            }
            let places = self.transcript.apply(next)?;
            self.window.step();
            self.marks.pass(&self.transcript);
            stale.extend(places);
        }
        Ok(Stale::Places(stale))
    }

    /// Goes a step forward, or back.
    pub(super) fn seek(&mut self, is_forward: bool) -> Option<Stale> {
        if self.transcript.is_partial() {
            return None;
        }
        let now = self.seek.unwrap_or(self.transcript.cursor()).get();
        let (begin, end) = (self.begin.get(), self.end.get());
        let step = ((end - begin) / SEEK_PARTS).max(1);
        let target = match is_forward {
            true => now.saturating_add(step).min(end),
            false => now.saturating_sub(step).max(begin),
        };
        let target = Cursor::new(target);
        self.pace.wait();
        self.seek = Some(target);
        if target >= self.transcript.cursor() {
            return None;
        }
        self.go_back(target);
        Some(Stale::All)
    }

    /// Takes the nearest document before, from which the ops lead there.
    fn go_back(&mut self, target: Cursor) {
        let Some((document, cursor, at)) = self.marks.before(target) else {
            return;
        };
        self.transcript = Transcript::of(document, cursor, at, &self.limits);
        if !self.window.go_back(cursor) {
            self.window.restart();
            self.generation += 1;
        }
    }

    /// Where the replay stands.
    pub(super) fn line(&self) -> String {
        let cursor = self.transcript.cursor();
        let state = match () {
            () if self.transcript.is_partial() => "reading",
            () if self.is_at_end() && cursor == self.begin => "nothing to replay",
            () if self.is_at_end() => "at its end",
            () if self.pace.is_paused() => "paused",
            () if self.seek.is_some() => "seeking",
            () => "playing",
        };
        let cut = match self.begin > Cursor::ZERO {
            true => format!(", the log begins at {}", self.begin),
            false => String::new(),
        };
        let (end, speed) = (self.end, self.pace.speed());
        format!("replay {speed}× {state}  {cursor}/{end}{cut}")
    }
}

#[cfg(test)]
mod tests;
