//! A timer that is more precise than the runtime's, which has a resolution of a millisecond.

use std::{io, time::Instant};

/// Wakes one task of a runtime.
pub(super) struct PreciseTimer(platform::Timer);

impl PreciseTimer {
    /// Must be called within a runtime.
    pub(super) fn new() -> io::Result<Self> {
        platform::Timer::new().map(Self)
    }

    /// Sleeps until `instant`. Never returns early.
    pub(super) async fn sleep_until(&self, instant: Instant) {
        self.0.sleep_until(instant).await;
    }
}

/// A `timerfd`: a kernel timer with a resolution of nanoseconds, as a file that becomes readable.
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

    /// Shorter sleeps are extended to this: setting the timer and waking up cost some microseconds themselves. At high
    /// rates, several calls become due during one sleep.
    const MIN_SLEEP: Duration = Duration::from_micros(50);

    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            #[expect(unsafe_code, reason = "the runtime has no safe way to await a file descriptor")]
            // SAFETY: the descriptor is owned by the `AsyncFd`, which is private to this file, so that it is neither
            // replaced nor closed elsewhere.
            let timer = unsafe { AsyncFd::register_with_interest(timer, Interest::READABLE) };
            Ok(Self(timer?))
        }

        pub(super) async fn sleep_until(&self, instant: Instant) {
            let left = instant.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            if self.sleep_for(left.max(MIN_SLEEP)).await.is_err() {
                sleep(left).await;
            }
        }

        async fn sleep_for(&self, duration: Duration) -> io::Result<()> {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let value = Timespec::try_from(duration).map_err(io::Error::other)?;
            let once = Itimerspec { it_interval: zero, it_value: value };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
            loop {
                let mut ready = self.0.readable().await?;
                let expired = ready.try_io(|timer| {
                    let mut expirations = [0; 8];
                    Ok(rustix::io::read(timer.get_ref(), &mut expirations)?)
                });
                if let Ok(expired) = expired {
                    return expired.map(|_| ());
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::{io, time::Instant};

    pub(super) struct Timer;

    impl Timer {
        pub(super) fn new() -> io::Result<Self> {
            Ok(Self)
        }

        pub(super) async fn sleep_until(&self, instant: Instant) {
            tokio::time::sleep_until(instant.into()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn the_timer_never_fires_early() {
        let timer = PreciseTimer::new().unwrap();
        for after in [0, 1, 70, 3_000] {
            let instant = Instant::now() + Duration::from_micros(after);
            timer.sleep_until(instant).await;
            assert!(Instant::now() >= instant);
        }
    }
}
