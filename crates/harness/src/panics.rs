//! Keeps what panics say, with where they were, for whoever asked for it on this thread: a task that
//! panics is caught by its runtime, and nobody would hear of it.

use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// `None`: nobody listens on this thread, and a panic is printed as ever.
    static HEARD: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs `work`, and returns what it returned with all panics of this thread meanwhile, also those that
/// were caught: message and place. They are not printed. A panic that `work` does not catch goes on.
pub fn listen<T>(work: impl FnOnce() -> T) -> (T, Vec<String>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let printing = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !keep(info) {
                printing(info);
            }
        }));
    });
    let _listening = Listening::begin();
    let done = work();
    let heard = HEARD.take().unwrap_or_default();
    (done, heard)
}

/// Ends with its scope, so that a panic that goes on is not swallowed by the thread's next one.
struct Listening;

impl Listening {
    fn begin() -> Self {
        HEARD.set(Some(Vec::new()));
        Self
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        HEARD.set(None);
    }
}

fn keep(info: &PanicHookInfo<'_>) -> bool {
    let payload = info.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("without a message");
    let place = info.location();
    let place = place.map_or_else(String::new, |place| format!(", at {place}"));
    HEARD.with(|heard| match heard.try_borrow_mut() {
        Ok(mut heard) => match heard.as_mut() {
            Some(heard) => {
                heard.push(format!("{text}{place}"));
                true
            }
            None => false,
        },
        Err(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_that_was_caught_is_heard_with_its_place() {
        let (caught, heard) = listen(|| panic::catch_unwind(|| panic!("no {}", "room")).is_err());
        assert!(caught);
        assert_eq!(heard.len(), 1);
        assert!(heard[0].starts_with("no room, at "), "{heard:?}");
        assert!(heard[0].contains("panics.rs:"), "{heard:?}");
        assert_eq!(listen(|| ()).1, Vec::<String>::new());
    }
}
