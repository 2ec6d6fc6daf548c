//! Threads that each open connections and start at the same time.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::{Builder, JoinHandle},
    time::{Duration, Instant},
};

use inrush_transport::Error;

/// Time from the moment when all are connected to the opening, so that no thread is late.
const BEFORE_OPENING: Duration = Duration::from_millis(50);

/// The error of a thread that connected, while another one failed.
const OTHERS: &str = "another thread could not connect";

/// Receives the time of the opening, for one thread.
#[derive(Debug)]
pub struct Start {
    ready: SyncSender<bool>,
    opened: Receiver<Instant>,
}

impl Start {
    /// Reports whether this thread is connected, and waits until all are. Blocks. Returns the time of the opening.
    ///
    /// # Errors
    /// When one of the threads could not connect.
    pub fn wait<T>(self, connected: Result<T, Error>) -> Result<(T, Instant), Error> {
        // The receiver is gone if the run is over.
        let _ = self.ready.send(connected.is_ok());
        let connected = connected?;
        let opening = self.opened.recv().map_err(|_| Error::new(OTHERS, "see its error"))?;
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
        // Waiting threads fail because there is no opening; the others return why they failed.
        threads.opening.clear();
        let mut errors = threads.threads.into_iter().filter_map(|thread| thread.join().ok()?.err());
        let cause = errors.find(|error| error.wrong() != OTHERS);
        Err(cause.unwrap_or_else(|| Error::new("the buyers cannot connect", "see that the server is up")))
    }

    /// Sends the time of the opening to all threads, and returns it.
    pub fn open(&self) -> Instant {
        let opening = Instant::now() + BEFORE_OPENING;
        for thread in &self.opening {
            // The error of a thread that has failed since is returned by its join.
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
            |_| Error::new("a thread of buyers panicked", "this is a bug of the load tool: report it");
        self.threads.into_iter().map(|thread| thread.join().map_err(broken)?).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_start_at_the_same_time() {
        let work = |start: Start| start.wait(Ok(())).map(|((), opening)| opening);
        let threads = Threads::gather("test", vec![work; 3]).unwrap();
        assert!(!threads.are_over());
        let opening = threads.open();
        assert_eq!(threads.join().unwrap(), [opening; 3]);
    }

    #[test]
    fn the_error_is_that_of_the_thread_that_cannot_connect() {
        let connecting = |connected: Result<(), Error>| move |start: Start| start.wait(connected).map(drop);
        let works = vec![connecting(Ok(())), connecting(Err(Error::new("no route", "walk")))];
        assert_eq!(Threads::gather("test", works).unwrap_err().wrong(), "no route");
    }
}
