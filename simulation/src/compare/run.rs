//! Runs both sides, one after the other.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use inrush_transport::{Endpoint, Error};

use super::{outcome::RushResult, run_result::RunResult, rush::Rush, rush_context::Way, settings::Settings};
use crate::{
    host,
    inrush_process::{self, Inrush},
    order_system::{ModelSettings, OrderLog, OrderRecords, OrderSystem, OrderSystemSettings},
    sale_client::{SaleClient, fresh_id},
};

/// Address of order systems that only this process calls.
const ANY_PORT: &str = "127.0.0.1:0";

/// Interval of progress reports.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// How long the order system's capacity is measured for: at least, and at most.
const MEASURE: (Duration, Duration) = (Duration::from_millis(1_500), Duration::from_secs(3));

/// The settings of a comparison, and the Inrush to use.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The order system, the rush and the buyers.
    pub settings: Settings,
    /// A front whose order system is at `orders_listen`; `None`: an Inrush is started for the run.
    pub host: Option<String>,
    /// Where the order system of this tool listens.
    pub orders_listen: Option<String>,
    /// The `inrush` binary.
    pub inrush: Option<PathBuf>,
}

/// Both sides of a comparison.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What was compared.
    pub settings: Settings,
    /// When it began.
    pub began: SystemTime,
    /// The front.
    pub server: String,
    /// Orders per second that the order system made when it was always busy and never overrun.
    pub measured_capacity: f64,
    /// Straight at the order system.
    pub straight: RunResult,
    /// Through Inrush.
    pub through: RunResult,
}

impl Comparison {
    /// Goodput as a share of what the order system can do: straight at it, and through Inrush.
    pub fn shares(&self) -> (f64, f64) {
        let capacity = self.settings.capacity();
        (self.straight.goodput / capacity, self.through.goodput / capacity)
    }
}

/// Runs both sides. `on_progress` gets progress reports. The comparison stops once `interrupted` is true.
///
/// # Errors
/// When something is missing, or it was interrupted.
pub fn run(
    options: &Options,
    interrupted: &AtomicBool,
    on_progress: &mut dyn FnMut(&str),
) -> Result<Comparison, Error> {
    options.settings.check()?;
    // Errors are found now, and not after the first side.
    match &options.host {
        Some(host) => SaleClient::with(&host::endpoint(host, None)?, "", |_| async { Ok(()) })?,
        None => inrush_process::find(options.inrush.as_deref()).map(drop)?,
    }
    let began = SystemTime::now();
    let mut play = Play { options, interrupted, on_progress };
    let measured_capacity = play.measure()?;
    let straight = play.straight()?;
    let (server, through) = play.through()?;
    let settings = options.settings.clone();
    Ok(Comparison { settings, began, server, measured_capacity, straight, through })
}

struct Play<'a> {
    options: &'a Options,
    interrupted: &'a AtomicBool,
    on_progress: &'a mut dyn FnMut(&str),
}

impl Play<'_> {
    /// Measures the rate of the order system when it is always busy: with as many buyers as it can serve, and a few more.
    fn measure(&mut self) -> Result<f64, Error> {
        let settings = &self.options.settings;
        let time = (settings.service * 10).clamp(MEASURE.0, MEASURE.1);
        let busy = Settings {
            rush: 1.2,
            rush_lasts: time,
            timeout: time * 2,
            retries: 0,
            units: u64::MAX,
            ..settings.clone()
        };
        let model = ModelSettings { stock: None, ..settings.order_system().model };
        let system = OrderSystemSettings { model, ..settings.order_system() };
        (self.on_progress)("the order system alone");
        let (_, written) = self.rush_straight(&busy, system)?;
        // From the first order that found all workers busy to the last one while buyers still arrived.
        let end = time;
        let begin = settings.service * 2;
        let made = written.orders.iter().filter(|order| (begin..end).contains(&order.at)).count();
        #[expect(clippy::cast_precision_loss, reason = "rates are read by people")]
        Ok(made as f64 / end.saturating_sub(begin).as_secs_f64().max(1e-9))
    }

    fn straight(&mut self) -> Result<RunResult, Error> {
        let settings = &self.options.settings;
        (self.on_progress)("straight at the order system");
        let (result, written) = self.rush_straight(settings, settings.order_system())?;
        Ok(RunResult::new(settings, result, &written))
    }

    fn rush_straight(
        &mut self,
        settings: &Settings,
        system: OrderSystemSettings,
    ) -> Result<(RushResult, OrderRecords), Error> {
        let since = Instant::now();
        let system = OrderSystem::start(ANY_PORT, system, since)?;
        let address = system.address();
        let endpoint = Endpoint::plain(address.ip().to_string(), address.port());
        self.rush(settings, &Way::Straight, &endpoint, &system, since)
    }

    fn through(&mut self) -> Result<(String, RunResult), Error> {
        let settings = &self.options.settings;
        (self.on_progress)("through Inrush");
        let since = Instant::now();
        let listen = self.options.orders_listen.as_deref().unwrap_or(ANY_PORT);
        let system = OrderSystem::start(listen, settings.order_system(), since)?;
        let (inrush, server) = match &self.options.host {
            Some(host) => (None, host.clone()),
            None => {
                let inrush = Inrush::start(self.options.inrush.as_deref(), system.address())?;
                let front = inrush.front().to_owned();
                (Some(inrush), front)
            }
        };
        let endpoint = host::endpoint(&server, None)?;
        let sale: Arc<str> = fresh_id("loadtest").into();
        SaleClient::with(&endpoint, &sale, |client| async move {
            client.create(settings.units, settings.units, 1).await.map(drop)
        })?;
        let way = Way::Through { sale: Arc::clone(&sale) };
        let (result, written) = self.rush(settings, &way, &endpoint, &system, since)?;
        if inrush.is_none() {
            SaleClient::with(&endpoint, &sale, |client| async move {
                client.close().await?;
                client.delete().await
            })?;
        }
        Ok((server, RunResult::new(settings, result, &written)))
    }

    /// Lets buyers arrive, and waits until the last one has left.
    fn rush(
        &mut self,
        settings: &Settings,
        way: &Way,
        endpoint: &Endpoint,
        system: &OrderSystem,
        since: Instant,
    ) -> Result<(RushResult, OrderRecords), Error> {
        let rush = Rush::gather(settings, way, endpoint)?;
        let opening = rush.open();
        while !rush.is_over() {
            sleep(PROGRESS_INTERVAL);
            self.report_progress(opening, system.log());
            if self.interrupted.load(Ordering::Relaxed) {
                return Err(Error::new(
                    "interrupted: there is nothing to compare",
                    "run it again until both sides finish",
                ));
            }
        }
        let result = rush.join()?;
        let written = system.log().read().since(opening.saturating_duration_since(since));
        Ok((result, written))
    }

    fn report_progress(&mut self, opening: Instant, log: &OrderLog) {
        let text = format!("{:5.1} s  {} orders made", opening.elapsed().as_secs_f64(), log.orders());
        (self.on_progress)(&text);
    }
}

#[expect(clippy::disallowed_methods, reason = "this thread only waits for the others")]
fn sleep(time: Duration) {
    thread::sleep(time);
}
