//! Brings keys, events and time to the model, and the model to the screen.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use share_client::{ClientError, FollowEvent, Follower, TcpConnector};
use share_model::seam::{Clock, Sleep, SystemClock};
use share_model::{LogPosition, OwnerKey, ShareRef};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::draw;
use super::feed::Feed;
use super::model::{Input, Model, Next};
use super::replay::Wanted;
use super::terminal::{self, Screen};
use crate::connect;
use crate::error::CliError;

/// How often a replay looks at the clock.
const TICK: Duration = Duration::from_millis(33);
/// How long what came may wait for more, before all of it is drawn.
const GATHER: Duration = Duration::from_millis(16);
/// How long a reader of the log waits, for who seeks seeks on.
const SETTLE: Duration = Duration::from_millis(200);

/// Whose session is watched, and how it is reached.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) share_ref: ShareRef,
    pub(super) owner: Option<OwnerKey>,
}

impl Source {
    fn follow(&self, from: LogPosition, begin: impl Future<Output = ()> + 'static) -> Feed {
        let connector = Arc::new(TcpConnector::default());
        let follower = Follower::new(connector, self.share_ref.clone(), from);
        Feed::spawn(follower.with_owner(self.owner.clone()), begin)
    }
}

/// Something to be done.
enum Happened {
    Input(Input),
    /// The share, or its log, can't be followed any more.
    Ended(ClientError),
    /// What came is to be drawn.
    Due,
    Quit,
}

/// A session that is watched.
struct Running {
    model: Model,
    screen: Screen,
    source: Source,
    keys: EventStream,
    stops: Stops,
    live: Option<Feed>,
    /// What is read of the log for a replay, and for which.
    log: Option<(u64, Feed)>,
    tick: Option<Sleep>,
    due: Option<Sleep>,
    /// With what the command ends.
    ending: Result<(), CliError>,
}

/// Shows the model, and follows the share from `position` on, until somebody quits.
pub(super) async fn run(
    model: Model,
    source: Source,
    position: LogPosition,
) -> Result<(), CliError> {
    let failed = |error| CliError::refused("take the terminal over").caused_by(error);
    let stops = Stops::new().map_err(failed)?;
    let screen = Screen::take().map_err(failed)?;
    let live = source.follow(position, std::future::ready(()));
    let mut running = Running {
        model,
        screen,
        source,
        keys: EventStream::new(),
        stops,
        live: Some(live),
        log: None,
        tick: None,
        due: None,
        ending: Ok(()),
    };
    running.resized()?;
    let done = running.until_quit().await;
    let Running { screen, ending, .. } = running;
    // What is said next is said on the screen as it was.
    drop(screen);
    done.and(ending)
}

impl Running {
    async fn until_quit(&mut self) -> Result<(), CliError> {
        self.draw()?;
        loop {
            self.read_log();
            if self.model.is_going() && self.tick.is_none() {
                self.tick = Some(SystemClock.sleep(TICK));
            }
            match self.happens().await {
                Happened::Input(input) => {
                    if self.take(input)? == Next::Quits {
                        return Ok(());
                    }
                }
                Happened::Ended(error) => {
                    let share = self.source.share_ref.share;
                    self.end(connect::failed("follow", share, error))?;
                }
                Happened::Due => self.draw()?,
                Happened::Quit => return Ok(()),
            }
        }
    }

    async fn happens(&mut self) -> Happened {
        tokio::select! {
            biased;
            () = self.stops.next() => Happened::Quit,
            key = self.keys.next() => of_key(key),
            () = when(&mut self.due) => Happened::Due,
            () = when(&mut self.tick) => Happened::Input(Input::Tick),
            event = next(self.live.as_mut()) => of_event(event, Input::Followed),
            event = next(self.log.as_mut().map(|(_, feed)| feed)) => of_event(event, Input::Read),
        }
    }

    /// Hands something to the model. What a person did is drawn at once, the rest with what else comes.
    fn take(&mut self, input: Input) -> Result<Next, CliError> {
        if let Input::Resized { .. } = input {
            self.resized()?;
            self.draw()?;
            return Ok(Next::Goes);
        }
        let is_by_hand = matches!(input, Input::Key(_) | Input::Mouse(_));
        let next = match self.model.update(input, SystemClock.now()) {
            Ok(next) => next,
            Err(error) => {
                let share = self.source.share_ref.share;
                let what = format!("watch share {share}");
                self.end(CliError::refused(what).caused_by(error))?;
                return Ok(Next::Goes);
            }
        };
        if is_by_hand {
            self.draw()?;
        } else if self.due.is_none() {
            self.due = Some(SystemClock.sleep(GATHER));
        }
        Ok(next)
    }

    /// Nothing may be shown any more: the screen is blank before anything else is done.
    fn end(&mut self, error: CliError) -> Result<(), CliError> {
        let hint = error
            .hint_text()
            .map_or(String::new(), |hint| format!("\n\n{hint}"));
        self.model.end(&format!("{error}{hint}"));
        self.live = None;
        self.log = None;
        self.tick = None;
        self.ending = Err(error);
        self.resized()?;
        self.draw()
    }

    /// Reads of the log what the replay wants, and nothing else.
    fn read_log(&mut self) {
        let wanted = self.model.wanted();
        let is_read = |wanted: &Wanted| {
            let log = self.log.as_ref();
            log.is_some_and(|(generation, _)| *generation == wanted.generation)
        };
        match wanted {
            None => self.log = None,
            Some(wanted) if is_read(&wanted) => {}
            Some(Wanted { generation, after }) => {
                let settle = if generation > 0 {
                    SETTLE
                } else {
                    Duration::ZERO
                };
                let feed = self.source.follow(after, SystemClock.sleep(settle));
                self.log = Some((generation, feed));
            }
        }
    }

    fn resized(&mut self) -> Result<(), CliError> {
        let (width, height) = terminal::size().map_err(drawn)?;
        self.screen.resize(width, height).map_err(drawn)?;
        let resized = Input::Resized { width, height };
        // It changes nothing of the document, so it can't fail.
        self.model
            .update(resized, SystemClock.now())
            .map(drop)
            .unwrap_or_default();
        Ok(())
    }

    fn draw(&mut self) -> Result<(), CliError> {
        self.due = None;
        let model = &mut self.model;
        self.screen
            .draw(|frame| draw::draw(model, frame))
            .map_err(drawn)
    }
}

fn drawn(error: io::Error) -> CliError {
    CliError::refused("draw on the terminal").caused_by(error)
}

fn of_key(key: Option<io::Result<Event>>) -> Happened {
    match key {
        Some(Ok(Event::Key(key))) => Happened::Input(Input::Key(key)),
        Some(Ok(Event::Mouse(mouse))) => Happened::Input(Input::Mouse(mouse)),
        Some(Ok(Event::Resize(width, height))) => Happened::Input(Input::Resized { width, height }),
        Some(Ok(_)) => Happened::Due,
        // Nobody can quit any more by a key: the terminal is gone.
        Some(Err(_)) | None => Happened::Quit,
    }
}

fn of_event(
    event: Option<Result<FollowEvent, ClientError>>,
    input: impl FnOnce(FollowEvent) -> Input,
) -> Happened {
    match event {
        Some(Ok(event)) => Happened::Input(input(event)),
        Some(Err(error)) => Happened::Ended(error),
        None => Happened::Ended(ClientError::Failed {
            reason: "what followed it ended without a word".to_owned(),
        }),
    }
}

async fn next(feed: Option<&mut Feed>) -> Option<Result<FollowEvent, ClientError>> {
    match feed {
        Some(feed) => feed.next().await,
        None => pending().await,
    }
}

/// Ends when the sleep does, which is then over.
async fn when(sleep: &mut Option<Sleep>) {
    match sleep {
        Some(running) => running.await,
        None => pending().await,
    }
    *sleep = None;
}

/// What asks a command to stop.
struct Stops {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Stops {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
