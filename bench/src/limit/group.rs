//! Group commit: what came while one group was written is the next one.

use std::io;
use std::sync::{Condvar, Mutex, PoisonError};

use super::frame::{FrameError, Ops};
use super::log::Log;
use super::record;

/// Who is told that its appends are durable.
pub(crate) trait Writer {
    /// The ops with these numbers are durable. Never waits.
    fn ack(&self, first: u64, last: u64);

    /// Whether it is the same one, so that one ack does for both.
    fn is(&self, other: &Self) -> bool;
}

/// Appends that become durable together.
#[derive(Debug)]
pub(crate) struct Group<W> {
    /// The records, one behind the other.
    pub(crate) bytes: Vec<u8>,
    /// Who to ack, and which ops, in the order of the records.
    acks: Vec<(W, u64, u64)>,
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
    /// Takes in an append, whose first op gets the number `first`; gives that of the next one to come.
    /// Whoever sends several appends behind each other gets one ack for them.
    ///
    /// # Errors
    ///
    /// If an op can't be read; nothing was taken in then.
    pub(crate) fn push(&mut self, ops: Ops<'_>, writer: &W, first: u64) -> Result<u64, FrameError>
    where
        W: Clone,
    {
        let (begin, mut next) = (self.bytes.len(), first);
        for op in ops {
            let op = op.inspect_err(|_| self.bytes.truncate(begin))?;
            record::write(&mut self.bytes, next, op);
            next += 1;
        }
        match self.acks.last_mut() {
            Some((of, _, last)) if of.is(writer) => *last = next - 1,
            _ => self.acks.push((writer.clone(), first, next - 1)),
        }
        Ok(next)
    }

    /// Makes the group durable, and then acks all of it.
    ///
    /// # Errors
    ///
    /// As the log fails; then nothing was acked.
    pub(crate) fn commit(&mut self, log: &mut impl Log) -> io::Result<()> {
        log.write(&self.bytes)?;
        log.sync()?;
        for (writer, first, last) in self.acks.drain(..) {
            writer.ack(first, last);
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
        // A group is whole between any two appends, whoever panicked.
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

    use super::super::frame::{Append, Frame};
    use super::*;

    /// What happened, in order.
    type History = Rc<RefCell<Vec<String>>>;

    #[derive(Clone)]
    struct Told(&'static str, History);

    impl Writer for Told {
        fn ack(&self, first: u64, last: u64) {
            self.1
                .borrow_mut()
                .push(format!("ack {} {first} {last}", self.0));
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
            let (mut text, mut rest) = (String::new(), bytes);
            while let Some((length, behind)) = rest.split_first_chunk() {
                let (record, others) = behind.split_at(u32::from_le_bytes(*length) as usize);
                text += str::from_utf8(&record[28..]).unwrap();
                rest = others;
            }
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

    /// Takes in an append of these ops.
    fn push(group: &mut Group<Told>, payloads: &[&[u8]], writer: &Told, first: u64) -> u64 {
        let mut append = Append::new();
        for payload in payloads {
            append.push(&[0; 16], payload);
        }
        match Frame::read(append.bytes()) {
            Ok(Frame::Append(ops)) => group.push(ops, writer, first).unwrap(),
            _ => panic!("no append"),
        }
    }

    fn filled(history: &History) -> Group<Told> {
        let [one, other] = ["one", "other"].map(|name| Told(name, history.clone()));
        let mut group = Group::default();
        let mut next = 11;
        for (payloads, writer) in [
            (&[&b"a"[..], b"b"][..], &one),
            (&[b"c"], &one),
            (&[b"d"], &other),
            (&[b"e"], &one),
        ] {
            next = push(&mut group, payloads, writer, next);
        }
        assert_eq!(next, 16);
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
            "write abcde",
            "sync",
            "ack one 11 13",
            "ack other 14 14",
            "ack one 15 15",
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
        assert_eq!(*history.borrow(), ["write abcde", "sync"]);
    }

    #[test]
    fn a_group_is_taken_whole_and_an_empty_one_is_left() {
        let filling = Filling::default();
        let history = History::default();
        filling.with(|group| *group = filled(&history));
        let mut taken = Group::default();
        filling.take(&mut taken);
        assert_eq!(taken.bytes, filled(&history).bytes);
        assert!(filling.with(|group| group.bytes.is_empty() && group.acks.is_empty()));
    }

    #[test]
    fn of_an_append_with_an_op_that_is_cut_nothing_is_taken_in() {
        let history = History::default();
        let mut group = filled(&history);
        let mut append = Append::new();
        append.push(&[0; 16], b"x");
        append.push(&[0; 16], b"y");
        let bytes = append.bytes();
        let Ok(Frame::Append(ops)) = Frame::read(&bytes[..bytes.len() - 1]) else {
            panic!("no append");
        };
        let one = Told("one", history.clone());
        let error = group.push(ops, &one, 16).unwrap_err();
        assert_eq!(error, FrameError::Cut { bytes: 20 });
        let whole = filled(&history);
        assert_eq!(group.bytes, whole.bytes);
        assert_eq!(group.acks.len(), whole.acks.len());
        assert_eq!(group.acks[2].2, 15);
    }
}
