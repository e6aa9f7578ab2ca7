//! All that the screen shows, and how what happens changes it. No terminal, no connection, no clock: what
//! happens comes in, what is to be done goes out.

use crossterm::event::{KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use share_client::FollowEvent;
use share_model::{LogPosition, ShareId, UnixMs};

use super::keys::{self, Action};
use super::limits::WatchLimits;
use super::replay::{Replay, Stale, Wanted};
use super::text;
use super::theme::Theme;
use super::transcript::{Transcript, WatchError};
use super::view::View;

/// Lines that the wheel turns by.
const WHEEL_LINES: isize = 3;
/// Lines of the screen that are not the session's: the one at the top, the one at the bottom.
const BARS: u16 = 2;

/// Something that happened.
#[derive(Debug)]
pub(super) enum Input {
    /// The share was followed.
    Followed(FollowEvent),
    /// The log was read for a replay.
    Read(FollowEvent),
    Key(KeyEvent),
    Mouse(MouseEvent),
    Resized {
        width: u16,
        height: u16,
    },
    /// Time has passed.
    Tick,
}

/// Whether it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Goes,
    Quits,
}

/// How the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Connection {
    CatchingUp,
    Live,
    /// Lost, and why; it comes back by itself.
    Lost(String),
}

/// What is watched, and how.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) share: ShareId,
    pub(super) theme: Theme,
    pub(super) limits: WatchLimits,
    pub(super) live: Transcript,
    /// Where the live document stands.
    position: LogPosition,
    pub(super) connection: Connection,
    pub(super) replay: Option<Replay>,
    pub(super) view: View,
    /// Nothing may be shown any more, and why.
    pub(super) ended: Option<String>,
    pub(super) has_help: bool,
}

impl Model {
    /// Watches from `position` on, where the document is the one of `live`.
    pub(super) fn new(
        share: ShareId,
        live: Transcript,
        position: LogPosition,
        theme: Theme,
        limits: WatchLimits,
    ) -> Self {
        Self {
            share,
            theme,
            limits,
            live,
            position,
            connection: Connection::CatchingUp,
            replay: None,
            view: View::new(theme, limits),
            ended: None,
            has_help: false,
        }
    }

    /// What happened, at this time.
    pub(super) fn update(&mut self, input: Input, now: UnixMs) -> Result<Next, WatchError> {
        match input {
            Input::Followed(event) => self.follow(&event)?,
            Input::Read(event) => {
                if let Some(replay) = &mut self.replay
                    && let Some(stale) = replay.hear(&event)?
                {
                    self.forget(stale);
                }
                self.advance(now)?;
            }
            Input::Tick => self.advance(now)?,
            Input::Resized { width, height } => {
                self.view.resize(width, height.saturating_sub(BARS));
            }
            Input::Key(key) if key.kind != KeyEventKind::Release => {
                if let Some(action) = keys::action(key) {
                    return Ok(self.act(action));
                }
            }
            Input::Key(_) => {}
            Input::Mouse(mouse) => self.mouse(mouse),
        }
        Ok(Next::Goes)
    }

    /// Nothing of the share may be shown any more: what was is gone at once.
    pub(super) fn end(&mut self, why: &str) {
        self.live = Transcript::new(&self.limits);
        self.replay = None;
        self.view = View::new(self.theme, self.limits);
        self.has_help = false;
        self.ended = Some(why.to_owned());
    }

    /// Begins a replay.
    pub(super) fn begin_replay(&mut self, speed: u32) {
        self.replay = Some(Replay::new(self.position, speed, self.limits));
        self.view.forget_all();
        self.view.go_to_end();
    }

    /// What is to be read of the log now.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        self.replay.as_ref()?.wanted()
    }

    /// Whether time makes a difference.
    pub(super) fn is_going(&self) -> bool {
        self.replay.as_ref().is_some_and(Replay::is_going)
    }

    fn follow(&mut self, event: &FollowEvent) -> Result<(), WatchError> {
        match event {
            FollowEvent::Reset { at, .. } => {
                // What is replayed may be of another history.
                self.replay = None;
                self.live.reset(at.position.cursor);
                self.position = at.position;
                self.connection = Connection::CatchingUp;
                self.view.forget_all();
            }
            FollowEvent::Entries { entries, done } => {
                self.live.load(entries, *done)?;
                self.view.forget_all();
            }
            FollowEvent::Ops(ops) => {
                for op in ops {
                    let places = self.live.apply(op)?;
                    self.position.cursor = op.cursor;
                    if self.replay.is_none() {
                        self.view.forget(&places);
                    }
                }
            }
            FollowEvent::Live(position) => {
                self.position.history = position.history;
                self.connection = Connection::Live;
            }
            FollowEvent::Lost(error) => {
                self.connection = Connection::Lost(text::short(&error.to_string()));
            }
            _ => {}
        }
        Ok(())
    }

    fn advance(&mut self, now: UnixMs) -> Result<(), WatchError> {
        if let Some(replay) = &mut self.replay {
            let stale = replay.advance(now)?;
            self.forget(stale);
        }
        Ok(())
    }

    fn forget(&mut self, stale: Stale) {
        match stale {
            Stale::Places(places) => self.view.forget(&places),
            Stale::All => self.view.forget_all(),
        }
    }

    fn act(&mut self, action: Action) -> Next {
        if action == Action::Quit {
            return Next::Quits;
        }
        if self.ended.is_some() {
            return match action {
                Action::Escape | Action::Toggle => Next::Quits,
                _ => Next::Goes,
            };
        }
        if self.has_help || action == Action::Help {
            // Any key takes the help away.
            self.has_help = !self.has_help;
            return Next::Goes;
        }
        match action {
            Action::Replay if self.replay.is_none() => self.begin_replay(1),
            Action::Live => self.go_live(),
            _ => {
                self.look(action);
                self.steer(action);
            }
        }
        Next::Goes
    }

    fn go_live(&mut self) {
        self.replay = None;
        self.view.forget_all();
        self.view.go_to_end();
    }

    /// Moves what is seen.
    fn look(&mut self, action: Action) {
        let replayed = self.replay.as_ref().map(Replay::transcript);
        let shown = replayed.unwrap_or(&self.live);
        let view = &mut self.view;
        match action {
            Action::Lines(lines) => view.scroll(lines, shown),
            Action::Pages(pages) => view.scroll(view.page().saturating_mul(pages), shown),
            Action::Begin => view.go_to_begin(),
            Action::End => view.go_to_end(),
            Action::Follow => view.follow(!view.is_following(), shown),
            Action::Toggle => view.toggle(shown),
            Action::Select { is_next } => view.select(is_next, shown),
            Action::FoldAll { is_folded } => view.fold_all(is_folded, shown),
            // Of use in a replay; elsewhere a space is what it is to a pager.
            Action::Pause if self.replay.is_none() => view.scroll(view.page(), shown),
            _ => {}
        }
    }

    /// Moves the replay.
    fn steer(&mut self, action: Action) {
        let Some(replay) = &mut self.replay else {
            return;
        };
        match action {
            Action::Pause => replay.pace_mut().pause(),
            Action::Faster => replay.pace_mut().faster(),
            Action::Slower => replay.pace_mut().slower(),
            Action::Seek { is_forward } => {
                if let Some(stale) = replay.seek(is_forward) {
                    self.forget(stale);
                }
            }
            _ => {}
        }
    }

    fn mouse(&mut self, mouse: MouseEvent) {
        if self.ended.is_some() || self.has_help {
            return;
        }
        let replayed = self.replay.as_ref().map(Replay::transcript);
        let shown = replayed.unwrap_or(&self.live);
        match mouse.kind {
            MouseEventKind::ScrollDown => self.view.scroll(WHEEL_LINES, shown),
            MouseEventKind::ScrollUp => self.view.scroll(-WHEEL_LINES, shown),
            MouseEventKind::Down(MouseButton::Left) => {
                // The first line is the bar.
                if let Some(line) = mouse.row.checked_sub(1) {
                    self.view.click(usize::from(line), shown);
                }
            }
            _ => {}
        }
    }
}
