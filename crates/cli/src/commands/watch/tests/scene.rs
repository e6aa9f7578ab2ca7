//! A model with a screen, keys, and a server that has the log.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use share_client::FollowEvent;
use share_model::{
    Cursor, HistoryId, Limits, LogPosition, LoggedOp, Mutation, Op, OpId, Seq, ShareId, UnixMs,
    WriterId,
};
use share_opencode::{Converter, Recording, RequestKind};

use crate::commands::watch::draw;
use crate::commands::watch::limits::WatchLimits;
use crate::commands::watch::model::{Input, Model, Next};
use crate::commands::watch::theme::Theme;
use crate::commands::watch::transcript::{Transcript, WatchError};

/// When the first op was applied.
pub(in crate::commands::watch) const BEGIN_MS: u64 = 1_795_196_040_000;

/// The ops of the recorded session with this name, as a server has them.
pub(in crate::commands::watch) fn recorded(name: &str) -> Vec<LoggedOp> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings");
    let recording = Recording::open(&folder.join(format!("{name}.jsonl.gz"))).unwrap();
    let mut converter = Converter::new(Limits::DEFAULT);
    let mut ops = Vec::new();
    for request in recording {
        let request = request.unwrap();
        let RequestKind::Sync { items } = request.kind else {
            continue;
        };
        for item in items {
            for mutation in converter.convert_guarded(item).unwrap() {
                ops.push((request.t_ms, mutation));
            }
        }
    }
    let first = ops[0].0;
    let at = |(t_ms, mutation)| (BEGIN_MS + t_ms - first, mutation);
    logged(ops.into_iter().map(at))
}

/// A log of these mutations, each applied at its time.
pub(in crate::commands::watch) fn logged(
    mutations: impl IntoIterator<Item = (u64, Mutation)>,
) -> Vec<LoggedOp> {
    let op = |(cursor, (at, mutation)): (u64, (u64, Mutation))| LoggedOp {
        cursor: Cursor::new(cursor),
        writer: WriterId::new(1),
        seq: Seq::new(cursor),
        at: UnixMs::new(at),
        op: Op {
            id: OpId::from_bytes(u128::from(cursor).to_be_bytes()),
            depends_on: Vec::new(),
            mutation,
        },
        origin: None,
    };
    (1..).zip(mutations).map(op).collect()
}

pub(in crate::commands::watch) fn put(key: &str, value: &serde_json::Value) -> Mutation {
    Mutation::Put {
        key: key.into(),
        json: value.to_string().into(),
    }
}

pub(in crate::commands::watch) fn append(key: &str, pointer: &str, text: &str) -> Mutation {
    Mutation::AppendText {
        key: key.into(),
        pointer: pointer.into(),
        text: text.into(),
    }
}

fn history() -> HistoryId {
    HistoryId::from_bytes([7; 16])
}

/// A model before a terminal, and the server's log.
pub(in crate::commands::watch) struct Scene {
    pub(super) model: Model,
    pub(super) log: Vec<LoggedOp>,
    terminal: Terminal<TestBackend>,
    now: UnixMs,
    /// The log is read for this generation, up to here.
    reader: Option<(u64, Cursor)>,
    /// How often it was read from another place than before.
    pub(super) reads: usize,
}

impl Scene {
    pub(in crate::commands::watch) fn new(width: u16, height: u16, limits: WatchLimits) -> Self {
        let share = ShareId::from_bytes([1; 16]);
        let position = LogPosition {
            history: Some(history()),
            cursor: Cursor::ZERO,
        };
        let live = Transcript::new(&limits);
        let mut scene = Self {
            model: Model::new(share, live, position, Theme::new(false), limits),
            log: Vec::new(),
            terminal: Terminal::new(TestBackend::new(width, height)).unwrap(),
            now: UnixMs::new(1_000_000),
            reader: None,
            reads: 0,
        };
        scene.input(Input::Resized { width, height });
        scene
    }

    /// Watches a session as it comes to this log, op by op.
    pub(in crate::commands::watch) fn of(log: Vec<LoggedOp>, width: u16, height: u16) -> Self {
        let mut scene = Self::new(width, height, WatchLimits::DEFAULT);
        scene.come(log);
        scene
    }

    /// These ops are applied at the server, and followed.
    pub(in crate::commands::watch) fn come(&mut self, ops: Vec<LoggedOp>) {
        self.log.extend(ops.iter().cloned());
        self.input(Input::Followed(FollowEvent::Ops(ops)));
        let position = LogPosition {
            history: Some(history()),
            cursor: self.log.last().unwrap().cursor,
        };
        self.input(Input::Followed(FollowEvent::Live(position)));
    }

    pub(in crate::commands::watch) fn try_input(
        &mut self,
        input: Input,
    ) -> Result<Next, WatchError> {
        self.model.update(input, self.now)
    }

    #[track_caller]
    pub(in crate::commands::watch) fn input(&mut self, input: Input) {
        assert_eq!(self.try_input(input), Ok(Next::Goes));
    }

    /// Presses keys: characters, and names of other keys behind each other.
    #[track_caller]
    pub(in crate::commands::watch) fn press(&mut self, code: KeyCode) {
        self.input(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    #[track_caller]
    pub(in crate::commands::watch) fn keys(&mut self, keys: &str) {
        for key in keys.chars() {
            self.press(KeyCode::Char(key));
        }
    }

    /// Reads of the log what is wanted, a few ops at a time.
    pub(in crate::commands::watch) fn read(&mut self) {
        while let Some(wanted) = self.model.wanted() {
            let from = match self.reader {
                Some((generation, at)) if generation == wanted.generation => at,
                _ => {
                    self.reads += 1;
                    wanted.after.cursor
                }
            };
            let ops = self.log.iter().filter(|op| op.cursor > from).take(50);
            let ops: Vec<_> = ops.cloned().collect();
            let Some(last) = ops.last().map(|op| op.cursor) else {
                return;
            };
            self.reader = Some((wanted.generation, last));
            self.input(Input::Read(FollowEvent::Ops(ops)));
        }
        self.reader = None;
    }

    /// Time passes, in steps as the command looks at the clock.
    pub(in crate::commands::watch) fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(33) {
            self.read();
            self.now = self.now.plus_ms(33);
            self.input(Input::Tick);
        }
    }

    /// Lets a replay go on until nothing moves it any more.
    pub(in crate::commands::watch) fn settle(&mut self) {
        for _ in 0..100_000 {
            self.pass(33);
            if !self.model.is_going() {
                return;
            }
        }
        panic!("the replay never ends");
    }

    /// What stands on the screen.
    pub(in crate::commands::watch) fn screen(&mut self) -> String {
        let model = &mut self.model;
        let drawn = self
            .terminal
            .draw(|frame| draw::draw(model, frame))
            .unwrap();
        let buffer = drawn.buffer;
        let width = usize::from(buffer.area.width);
        let row = |cells: &[ratatui::buffer::Cell]| {
            let mut row = String::new();
            let mut covered = 0;
            for cell in cells {
                // Behind a wide character is no other.
                if covered > 0 {
                    covered -= 1;
                    continue;
                }
                row.push_str(cell.symbol());
                covered = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
            }
            row.trim_end().to_owned() + "\n"
        };
        buffer.content.chunks(width).map(row).collect()
    }
}
