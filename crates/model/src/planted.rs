//! Planted bugs: wrong variants of single rules, by name, that the failure-injection harness must
//! catch (`docs/design.md` §11).
//!
//! A bug stands where its rule lives, as `if share_model::planted!("name") { … }`. Without the
//! feature `planted` that is `if false { … }`: neither the bug nor its name is in the binary.
//!
//! Which bug is on belongs to a thread, since a simulation runs one seed on one thread; where
//! nobody planted anything on a thread, the environment variable `SHARE_PLANTED` names the bug of
//! the whole process, for processes that the harness starts.

/// Whether the named bug is on: never, in a build without the feature `planted`.
#[cfg(not(feature = "planted"))]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        false
    };
}

/// Whether the named bug is on, on this thread; each time that it is counts as
/// [`reached`](crate::planted::reached), so ask it last.
#[cfg(feature = "planted")]
#[macro_export]
macro_rules! planted {
    ($name:literal) => {
        $crate::planted::is_on($name)
    };
}

#[cfg(feature = "planted")]
pub use thread::{Planted, VARIABLE, is_on, plant, reached};

#[cfg(feature = "planted")]
mod thread {
    use std::cell::Cell;
    use std::marker::PhantomData;
    use std::sync::OnceLock;

    /// The environment variable that names the bug of a process. Empty: none.
    pub const VARIABLE: &str = "SHARE_PLANTED";

    /// What was decided for a thread.
    #[derive(Debug, Clone, Copy)]
    enum Choice {
        /// Nothing: the environment decides.
        Environment,
        /// This bug, or none.
        Bug(Option<&'static str>),
    }

    thread_local! {
        static CHOICE: Cell<Choice> = const { Cell::new(Choice::Environment) };
        static REACHED: Cell<u64> = const { Cell::new(0) };
    }

    /// While it lives, what [`plant`] was told holds on this thread. Dropped, it puts back what was
    /// before.
    #[derive(Debug)]
    #[must_use = "dropped, the bug is planted no more"]
    pub struct Planted {
        before: Choice,
        /// Belongs to the thread that made it.
        _thread: PhantomData<*const ()>,
    }

    /// Plants a bug on this thread, or sees to it that there is none, whatever the environment says.
    /// Begins to count [`reached`] anew.
    pub fn plant(bug: Option<&'static str>) -> Planted {
        REACHED.set(0);
        Planted {
            before: CHOICE.replace(Choice::Bug(bug)),
            _thread: PhantomData,
        }
    }

    impl Drop for Planted {
        fn drop(&mut self) {
            CHOICE.set(self.before);
        }
    }

    /// How often this thread came to a place where the bug that is on changed what happens, since
    /// [`plant`] was called last. 0: what ran says nothing about the bug.
    #[must_use]
    pub fn reached() -> u64 {
        REACHED.get()
    }

    /// Whether the bug is on, on this thread: what `planted!` asks.
    #[must_use]
    pub fn is_on(name: &str) -> bool {
        let is_on = match CHOICE.get() {
            Choice::Bug(bug) => bug == Some(name),
            Choice::Environment => of_environment() == Some(name),
        };
        if is_on {
            REACHED.set(REACHED.get() + 1);
        }
        is_on
    }

    fn of_environment() -> Option<&'static str> {
        static OF_PROCESS: OnceLock<Option<String>> = OnceLock::new();
        let bug = OF_PROCESS.get_or_init(|| {
            let named = std::env::var(VARIABLE).ok();
            named.filter(|name| !name.is_empty())
        });
        bug.as_deref()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_planted_bug_is_on_until_its_guard_is_dropped_and_counts_how_often() {
            let outer = plant(Some("a"));
            assert!(is_on("a") && is_on("a") && !is_on("b"));
            assert_eq!(reached(), 2);
            let inner = plant(None);
            assert!(!is_on("a"));
            assert_eq!(reached(), 0);
            drop(inner);
            assert!(is_on("a"));
            drop(outer);
        }

        #[test]
        fn a_bug_is_planted_on_one_thread_only() {
            let _planted = plant(Some("a"));
            let other = std::thread::spawn(|| {
                let _honest = plant(None);
                is_on("a")
            });
            assert!(!other.join().unwrap());
            assert!(is_on("a"));
        }
    }
}
