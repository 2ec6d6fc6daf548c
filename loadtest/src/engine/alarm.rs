//! Wakes a lane at a planned time, more exactly than the runtime's timer of a millisecond.

use std::{io, time::Instant};

/// Wakes one task of a runtime.
pub(super) struct Alarm(platform::Alarm);

impl Alarm {
    /// Must be called within a runtime.
    pub(super) fn new() -> io::Result<Self> {
        platform::Alarm::new().map(Self)
    }

    /// Returns once `instant` is past.
    pub(super) async fn until(&self, instant: Instant) {
        self.0.until(instant).await;
    }
}

/// A timer of the kernel with a resolution of nanoseconds, as a file that becomes readable.
#[cfg(target_os = "linux")]
mod platform {
    use std::{
        io,
        os::fd::OwnedFd,
        time::{Duration, Instant},
    };

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::{
        io::{Interest, unix::AsyncFd},
        time::sleep,
    };

    /// Not less than this is slept: setting the timer and waking up costs some microseconds itself. At a high rate, this
    /// lets some calls become due together.
    const LEAST: Duration = Duration::from_micros(50);

    pub(super) struct Alarm(AsyncFd<OwnedFd>);

    impl Alarm {
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            #[expect(unsafe_code, reason = "the runtime offers no safe way to wait for a file of one's own")]
            // SAFETY: the descriptor is owned by the `AsyncFd`, which is private to this file: nobody replaces or closes it.
            let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
            Ok(Self(timer?))
        }

        pub(super) async fn until(&self, instant: Instant) {
            let left = instant.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            if self.ring(left.max(LEAST)).await.is_err() {
                sleep(left).await;
            }
        }

        async fn ring(&self, after: Duration) -> io::Result<()> {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let value = Timespec::try_from(after).map_err(io::Error::other)?;
            let once = Itimerspec { it_interval: zero, it_value: value };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            loop {
                let mut ready = self.0.readable().await?;
                let rung = ready.try_io(|timer| {
                    let mut expirations = [0; 8];
                    Ok(rustix::io::read(timer.get_ref(), &mut expirations)?)
                });
                if let Ok(rung) = rung {
                    return rung.map(|_| ());
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::{io, time::Instant};

    pub(super) struct Alarm;

    impl Alarm {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn until(&self, instant: Instant) {
            tokio::time::sleep_until(instant.into()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_never_rings_early() {
        let alarm = Alarm::new().unwrap();
        for after in [0, 1, 70, 3_000] {
            let instant = Instant::now() + Duration::from_micros(after);
            alarm.until(instant).await;
            assert!(Instant::now() >= instant);
        }
    }
}
