//! What clients speak with the server of a simulated world.

use std::cell::Cell;

use share_client::Transport;

/// What is spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spoken {
    /// RPC.
    #[default]
    Rpc,
    /// HTTP.
    Http,
    /// RPC, but every other connection by it is refused, at random: then HTTP, until that is lost.
    Both,
}

thread_local! {
    static SPOKEN: Cell<Spoken> = const { Cell::new(Spoken::Rpc) };
}

impl Spoken {
    /// What is spoken in the worlds that are started on this thread.
    pub fn here() -> Self {
        SPOKEN.get()
    }

    /// What a flusher is told.
    pub(crate) fn transport(self) -> Transport {
        match self {
            Self::Rpc => Transport::Rpc,
            Self::Http => Transport::Http,
            Self::Both => Transport::Auto,
        }
    }
}

/// Runs a test by RPC, by HTTP, and by both in turns: whatever it demands holds by each.
pub fn by_each_way(test: impl Fn()) {
    for spoken in [Spoken::Rpc, Spoken::Http, Spoken::Both] {
        say(spoken);
        SPOKEN.set(spoken);
        test();
    }
    SPOKEN.set(Spoken::Rpc);
}

/// Whoever reads of a failure learns by which way it was.
#[expect(clippy::print_stderr, reason = "a test's output")]
fn say(spoken: Spoken) {
    eprintln!("by {spoken:?}");
}
