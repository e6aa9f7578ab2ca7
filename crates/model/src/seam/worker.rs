//! The storage executor: who runs the jobs of a resource that only one thread may touch.

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Where jobs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executor {
    /// On a thread of their own: for production.
    OwnThread,
    /// Within the call that submits them: for simulations, in which nothing may run beside the
    /// simulated time.
    Inline,
}

/// Runs jobs in the order of their submission, as many at once as are waiting: what a group commit
/// needs.
pub struct Worker<J> {
    inner: Inner<J>,
}

type Handler<J> = Box<dyn FnMut(Vec<J>) + Send>;

enum Inner<J> {
    /// `None` once the worker is being dropped.
    OwnThread {
        sender: Option<SyncSender<J>>,
        thread: Option<JoinHandle<()>>,
    },
    Inline(Mutex<Handler<J>>),
}

/// A job that was not taken, given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted<J> {
    /// The queue is full: come again later.
    #[error("the storage queue is full")]
    Full(J),
    /// The worker has ended, because its handler panicked.
    #[error("the storage thread has ended")]
    Ended(J),
}

impl<J: Send + 'static> Worker<J> {
    /// Starts a worker named `name`. `handler` is called with up to `group_max` waiting jobs, never
    /// with none; at most `queue_max` jobs wait besides those that it has.
    ///
    /// # Errors
    ///
    /// If the thread can't be started.
    pub fn start(
        executor: Executor,
        name: &str,
        queue_max: usize,
        group_max: usize,
        handler: impl FnMut(Vec<J>) + Send + 'static,
    ) -> io::Result<Self> {
        let inner = match executor {
            Executor::Inline => Inner::Inline(Mutex::new(Box::new(handler))),
            Executor::OwnThread => {
                let (sender, receiver) = sync_channel(queue_max);
                let thread = thread::Builder::new()
                    .name(name.into())
                    .spawn(move || run(&receiver, group_max, handler))?;
                Inner::OwnThread {
                    sender: Some(sender),
                    thread: Some(thread),
                }
            }
        };
        Ok(Self { inner })
    }

    /// Hands over a job; never waits for a place in the queue.
    ///
    /// # Errors
    ///
    /// If the job was not taken; then it will not run.
    pub fn submit(&self, job: J) -> Result<(), NotAccepted<J>> {
        match &self.inner {
            Inner::OwnThread {
                sender: Some(sender),
                ..
            } => sender.try_send(job).map_err(|error| match error {
                TrySendError::Full(job) => NotAccepted::Full(job),
                TrySendError::Disconnected(job) => NotAccepted::Ended(job),
            }),
            Inner::OwnThread { sender: None, .. } => Err(NotAccepted::Ended(job)),
            Inner::Inline(handler) => {
                handler.lock().unwrap_or_else(PoisonError::into_inner)(vec![job]);
                Ok(())
            }
        }
    }
}

fn run<J>(receiver: &Receiver<J>, group_max: usize, mut handler: impl FnMut(Vec<J>)) {
    while let Ok(first) = receiver.recv() {
        let mut jobs = vec![first];
        jobs.extend(receiver.try_iter().take(group_max.saturating_sub(1)));
        handler(jobs);
    }
}

/// Waits until every job that was taken has run.
impl<J> Drop for Worker<J> {
    fn drop(&mut self) {
        if let Inner::OwnThread { sender, thread } = &mut self.inner {
            drop(sender.take());
            if let Some(thread) = thread.take() {
                // A panic of the handler was already reported by the thread itself.
                let _ = thread.join();
            }
        }
    }
}

impl<J> fmt::Debug for Worker<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let executor = match &self.inner {
            Inner::OwnThread { .. } => Executor::OwnThread,
            Inner::Inline(_) => Executor::Inline,
        };
        f.debug_tuple("Worker").field(&executor).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn jobs_that_wait_are_run_as_one_group_in_order() {
        let (begin, begun) = channel::<()>();
        let (done, groups) = channel();
        let worker = Worker::start(Executor::OwnThread, "test", 8, 3, move |jobs: Vec<u32>| {
            done.send(jobs).unwrap();
            begun.recv().unwrap();
        })
        .unwrap();
        worker.submit(0).unwrap();
        assert_eq!(groups.recv().unwrap(), [0]);
        for job in 1..=4 {
            worker.submit(job).unwrap();
        }
        begin.send(()).unwrap();
        assert_eq!(groups.recv().unwrap(), [1, 2, 3]);
        begin.send(()).unwrap();
        assert_eq!(groups.recv().unwrap(), [4]);
        begin.send(()).unwrap();
        drop(worker);
    }

    #[test]
    fn a_full_queue_gives_the_job_back() {
        let (begin, begun) = channel::<()>();
        let (done, started) = channel();
        let worker = Worker::start(Executor::OwnThread, "test", 1, 1, move |_: Vec<u32>| {
            done.send(()).unwrap();
            begun.recv().unwrap();
        })
        .unwrap();
        worker.submit(1).unwrap();
        started.recv().unwrap();
        worker.submit(2).unwrap();
        assert_eq!(worker.submit(3), Err(NotAccepted::Full(3)));
        begin.send(()).unwrap();
        begin.send(()).unwrap();
        drop(worker);
    }

    #[test]
    fn inline_jobs_have_run_when_submit_returns() {
        let (done, ran) = channel();
        let worker = Worker::start(Executor::Inline, "test", 1, 1, move |jobs| {
            done.send(jobs).unwrap();
        })
        .unwrap();
        worker.submit(7).unwrap();
        assert_eq!(ran.try_recv().unwrap(), [7]);
    }

    #[test]
    fn a_panic_of_the_handler_ends_the_worker_and_is_seen() {
        let worker = Worker::start(Executor::OwnThread, "test", 1, 1, |_: Vec<u32>| {
            panic!("the disk is gone")
        })
        .unwrap();
        worker.submit(1).unwrap();
        let ended = (0..1_000_000).any(|_| {
            thread::yield_now();
            matches!(worker.submit(2), Err(NotAccepted::Ended(2)))
        });
        assert!(ended);
    }
}
