//! Group commit: what came while one group was written is the next one.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};

use super::log::Log;

/// Who is told that its appends are durable.
pub(crate) trait Writer {
    /// Everything up to `through` is durable. Never waits.
    fn ack(&self, through: u64);

    /// Whether it is the same one, so that one ack does for both.
    fn is(&self, other: &Self) -> bool;
}

/// Appends that become durable together.
#[derive(Debug)]
pub(crate) struct Group<W> {
    /// The frames as they came, one behind the other.
    pub(crate) bytes: Vec<u8>,
    /// Who to ack and up to where, in the order of the frames.
    acks: Vec<(W, u64)>,
}

impl<W> Default for Group<W> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            acks: Vec::new(),
        }
    }
}

impl<W: Writer> Group<W> {
    /// Takes in an append; whoever sends several behind each other gets one ack for them.
    pub(crate) fn push(&mut self, frame: &[u8], writer: &W, through: u64)
    where
        W: Clone,
    {
        self.bytes.extend_from_slice(frame);
        match self.acks.last_mut() {
            Some((last, acked)) if last.is(writer) => *acked = through,
            _ => self.acks.push((writer.clone(), through)),
        }
    }

    /// Makes the group durable, and then acks all of it.
    ///
    /// # Errors
    ///
    /// As the log fails; then nothing was acked.
    pub(crate) fn commit(&mut self, log: &mut impl Log) -> io::Result<()> {
        log.write(&self.bytes)?;
        log.sync()?;
        for (writer, through) in self.acks.drain(..) {
            writer.ack(through);
        }
        Ok(())
    }
}

/// The group that is filled while another is written.
#[derive(Debug)]
pub(crate) struct Filling<W> {
    group: Mutex<Group<W>>,
    is_filled: Condvar,
}

impl<W> Default for Filling<W> {
    fn default() -> Self {
        Self {
            group: Mutex::default(),
            is_filled: Condvar::new(),
        }
    }
}

impl<W: Writer> Filling<W> {
    /// Changes the group.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut Group<W>) -> T) -> T {
        // A group is whole between any two frames, whoever panicked.
        change(&mut self.group.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes whoever waits for the group.
    pub(crate) fn announce(&self) {
        self.is_filled.notify_one();
    }

    /// Waits until there is something, and takes it for `empty`.
    pub(crate) fn take(&self, empty: &mut Group<W>) {
        let group = self.group.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .is_filled
            .wait_while(group, |group| group.bytes.is_empty());
        std::mem::swap(&mut *waited.unwrap_or_else(PoisonError::into_inner), empty);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    /// What happened, in order.
    type History = Rc<RefCell<Vec<String>>>;

    #[derive(Clone)]
    struct Told(&'static str, History);

    impl Writer for Told {
        fn ack(&self, through: u64) {
            self.1
                .borrow_mut()
                .push(format!("ack {} {through}", self.0));
        }

        fn is(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    struct Disk {
        history: History,
        is_broken: bool,
    }

    impl Log for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
            let text = String::from_utf8_lossy(bytes);
            self.history.borrow_mut().push(format!("write {text}"));
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            self.history.borrow_mut().push("sync".to_owned());
            if self.is_broken {
                return Err(io::Error::other("broken"));
            }
            Ok(())
        }
    }

    fn filled(history: &History) -> Group<Told> {
        let [one, other] = ["one", "other"].map(|name| Told(name, history.clone()));
        let mut group = Group::default();
        group.push(b"a", &one, 1);
        group.push(b"b", &one, 2);
        group.push(b"c", &other, 1);
        group.push(b"d", &one, 3);
        group
    }

    #[test]
    fn acks_come_after_one_sync_of_all_and_in_order() {
        let history = History::default();
        let mut disk = Disk {
            history: history.clone(),
            is_broken: false,
        };
        filled(&history).commit(&mut disk).unwrap();
        let expected = [
            "write abcd",
            "sync",
            "ack one 2",
            "ack other 1",
            "ack one 3",
        ];
        assert_eq!(*history.borrow(), expected);
    }

    #[test]
    fn what_is_not_synced_is_not_acked() {
        let history = History::default();
        let mut disk = Disk {
            history: history.clone(),
            is_broken: true,
        };
        filled(&history).commit(&mut disk).unwrap_err();
        assert_eq!(*history.borrow(), ["write abcd", "sync"]);
    }

    #[test]
    fn a_group_is_taken_whole_and_an_empty_one_is_left() {
        let filling = Filling::default();
        let history = History::default();
        filling.with(|group| *group = filled(&history));
        let mut taken = Group::default();
        filling.take(&mut taken);
        assert_eq!(taken.bytes, b"abcd");
        assert!(filling.with(|group| group.bytes.is_empty() && group.acks.is_empty()));
    }
}
