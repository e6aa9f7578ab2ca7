//! A terminal for a command: what it writes is drawn on a screen, what is typed is read by it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// How long something may take to be seen.
const PATIENCE: Duration = Duration::from_secs(30);
const ROWS: NonZero<u16> = NonZero::new(30).expect("not zero");
const COLUMNS: NonZero<u16> = NonZero::new(100).expect("not zero");

/// A command in a terminal.
pub(crate) struct Pty {
    child: Child,
    /// The terminal's own end.
    keys: File,
    /// The command's end, kept to look at its settings.
    line: File,
    pieces: Receiver<Vec<u8>>,
    screen: vt100::Parser,
}

impl Pty {
    /// Starts the command in a terminal of its own.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it can be opened");
        let size = Winsize {
            ws_row: ROWS.get(),
            ws_col: COLUMNS.get(),
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).expect("it has a size");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let name = name.into_string().expect("the name is text");
        let mut options = OpenOptions::new();
        let line = options.read(true).write(true).open(name).expect("it opens");
        let end = || Stdio::from(line.try_clone().expect("it can be shared"));
        let command = command.stdin(end()).stdout(end()).stderr(end());
        let child = command
            .env("TERM", "xterm-256color")
            .spawn()
            .expect("it starts");
        let keys = File::from(master);
        let mut read = keys.try_clone().expect("it can be shared");
        let (sender, pieces) = sync_channel(16);
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(bytes @ 1..) = read.read(&mut piece) {
                if sender.send(piece[..bytes].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            keys,
            line,
            pieces,
            screen: vt100::Parser::new(ROWS, COLUMNS, 0),
        }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys
            .write_all(keys.as_bytes())
            .expect("it can be typed at");
    }

    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    pub(crate) fn id(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// Waits until the screen is as is said.
    #[track_caller]
    pub(crate) fn until(&mut self, is_so: impl Fn(&vt100::Screen) -> bool) {
        while !is_so(self.screen.screen()) {
            match self.pieces.recv_timeout(PATIENCE) {
                Ok(piece) => self.screen.process(&piece),
                Err(_) => panic!("the screen stays\n{}", self.screen.screen().contents()),
            }
        }
    }

    #[track_caller]
    pub(crate) fn shows(&mut self, words: &str) {
        self.until(|screen| screen.contents().contains(words));
    }

    /// Waits for a line that says just this.
    #[track_caller]
    pub(crate) fn shows_line(&mut self, words: &str) {
        self.until(|screen| screen.contents().lines().any(|line| line.trim() == words));
    }

    /// Waits for the command's end, and for what it wrote last; its exit code. The terminal is then as it
    /// was before.
    #[track_caller]
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let code = self.child.wait().expect("it ends").code();
        // The last word is on the line before that is looked for.
        self.line.write_all(b"\r\n=END=").expect("the line is open");
        self.shows("=END=");
        let screen = self.screen.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let modes = tcgetattr(self.line.as_fd()).expect("it has settings");
        let cooked = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        assert!(
            modes.local_modes.contains(cooked),
            "{:?}",
            modes.local_modes
        );
        code
    }
}

/// A command that is not wanted any more ends.
impl Drop for Pty {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
