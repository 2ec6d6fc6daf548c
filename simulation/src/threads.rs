//! Threads that connect on their own and begin at the same moment.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use inrush_transport::Error;

/// Between the moment when all are connected and the opening, so that no thread is late.
const BEFORE_OPENING: Duration = Duration::from_millis(50);

/// What a thread says that connected in vain.
const OTHERS: &str = "another thread could not connect";

/// A thread's way to learn of the opening.
#[derive(Debug)]
pub struct Start {
    ready: SyncSender<bool>,
    opened: Receiver<Instant>,
}

impl Start {
    /// Says whether this thread is connected, and waits until all are. Blocks. Tells when the doors open.
    ///
    /// # Errors
    /// When one of the threads could not connect.
    pub fn wait<T>(self, connected: Result<T, Error>) -> Result<(T, Instant), Error> {
        // The receiver is gone if the run is over.
        let _ = self.ready.send(connected.is_ok());
        let connected = connected?;
        let opening = self.opened.recv().map_err(|_| Error::new(OTHERS, "see what that one says"))?;
        Ok((connected, opening))
    }
}

/// Threads that are connected and wait for the opening, or are at work.
#[derive(Debug)]
pub struct Threads<T> {
    opening: Vec<SyncSender<Instant>>,
    threads: Vec<JoinHandle<Result<T, Error>>>,
}

impl<T: Send + 'static> Threads<T> {
    /// Starts one thread for each of `works`, and waits until all are connected.
    ///
    /// # Errors
    /// Why the first one could not connect.
    pub fn gather<F>(name: &str, works: Vec<F>) -> Result<Self, Error>
    where
        F: FnOnce(Start) -> Result<T, Error> + Send + 'static,
    {
        let count = works.len();
        let (ready, all_ready) = sync_channel(count);
        let mut threads = Self { opening: Vec::new(), threads: Vec::new() };
        for (number, work) in works.into_iter().enumerate() {
            let (open, opened) = sync_channel(1);
            let start = Start { ready: ready.clone(), opened };
            let spawned = Builder::new().name(format!("{name} {number}")).spawn(move || work(start));
            threads.threads.push(spawned.map_err(|error| {
                Error::new(format!("a thread cannot be started: {error}"), "give fewer --cpus")
            })?);
            threads.opening.push(open);
        }
        drop(ready);
        if all_ready.iter().take(count).filter(|connected| *connected).count() == count {
            return Ok(threads);
        }
        // Those who wait learn that there will be no opening; those who failed say why.
        threads.opening.clear();
        let mut errors = threads.threads.into_iter().filter_map(|thread| thread.join().ok()?.err());
        let cause = errors.find(|error| error.wrong() != OTHERS);
        Err(cause.unwrap_or_else(|| Error::new("the buyers cannot connect", "see that the server is up")))
    }

    /// Opens the doors.
    pub fn open(&self) -> Instant {
        let opening = Instant::now() + BEFORE_OPENING;
        for thread in &self.opening {
            // One that has failed in the meantime is noticed when it is joined.
            let _ = thread.send(opening);
        }
        opening
    }

    /// Whether all have ended.
    pub fn are_over(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Waits for all of them, and returns what they bring.
    ///
    /// # Errors
    /// The first that failed.
    pub fn join(self) -> Result<Vec<T>, Error> {
        let broken =
            |_| Error::new("a thread of buyers broke down", "this is a defect of the load tool: report it");
        self.threads.into_iter().map(|thread| thread.join().map_err(broken)?).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_begin_at_the_same_moment() {
        let work = |start: Start| start.wait(Ok(())).map(|((), opening)| opening);
        let threads = Threads::gather("test", vec![work; 3]).unwrap();
        assert!(!threads.are_over());
        let opening = threads.open();
        assert_eq!(threads.join().unwrap(), [opening; 3]);
    }

    #[test]
    fn the_one_that_cannot_connect_says_why() {
        let connecting = |connected: Result<(), Error>| move |start: Start| start.wait(connected).map(drop);
        let works = vec![connecting(Ok(())), connecting(Err(Error::new("no route", "walk")))];
        assert_eq!(Threads::gather("test", works).unwrap_err().wrong(), "no route");
    }
}
