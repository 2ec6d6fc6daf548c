//! Reproducible runs without a server.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use inrush_report::{
    Report,
    measure::{Call, Code, Recorder, RecorderSettings, Results},
};
use serde_json::json;

/// A text that injects a script into a page without escaping.
const HOSTILE: &str =
    "</script><script>document.title='taken over'</script><img src=\"http://127.0.0.1:9/x\"> & 'quotes'";

/// A run at 500 calls a second.
pub(crate) struct Rush {
    /// Runs with different seeds differ like two runs of the same test.
    pub(crate) seed: u64,
    /// Factor of all latencies.
    pub(crate) slower: f64,
    /// The server freezes for a second after 20 seconds, and fails a third of the calls from second 40 to 45.
    pub(crate) trouble: bool,
    /// Duration of the run.
    pub(crate) seconds: u64,
}

impl Default for Rush {
    fn default() -> Self {
        Self { seed: 1, slower: 1.0, trouble: false, seconds: 60 }
    }
}

impl Rush {
    /// The report of the run.
    pub(crate) fn report(&self) -> Report {
        Report {
            name: Some("A <rush> & a freeze".to_owned()),
            host: "127.0.0.1:50051".to_owned(),
            call: "inrush.v1.QueueService.Enqueue".to_owned(),
            options:
                json!({"call": "inrush.v1.QueueService.Enqueue", "rps": 500, "data": {"buyer": HOSTILE}})
                    .as_object()
                    .cloned()
                    .unwrap(),
            tags: BTreeMap::from([
                ("env".to_owned(), "staging".to_owned()),
                ("build".to_owned(), HOSTILE.to_owned()),
            ]),
            count_errors: false,
            results: self.results(),
        }
    }

    fn results(&self) -> Results {
        let mut recorder = Recorder::new(RecorderSettings {
            started: SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000),
            open_loop: true,
            warm_up: Duration::from_secs(3),
            skip_first: 0,
            interval: Duration::from_millis(250),
            details: 1_000,
        });
        let mut parts = Vec::new();
        let mut random = Random(self.seed);
        for number in 0..500 * self.seconds {
            let planned = Duration::from_millis(2 * number);
            parts.extend(recorder.turn(planned));
            let service = Duration::from_secs_f64(
                self.slower * 0.0012 * (0.6 * random.normal()).exp() + 0.02 * random.uniform().powi(60),
            );
            let frozen = Duration::from_secs(20)..Duration::from_secs(21);
            let begun = if self.trouble && frozen.contains(&planned) { frozen.end } else { planned };
            let troubled = self.trouble && (20_000..22_500).contains(&number) && random.uniform() < 0.33;
            let code = match number % 3 {
                _ if !troubled => Code::Ok,
                0 => Code::ResourceExhausted,
                _ => Code::Unavailable,
            };
            recorder.sent(planned);
            recorder.ended(&Call {
                number,
                planned,
                sent: planned,
                ended: begun + service,
                code,
                error: if code == Code::Ok { "" } else { HOSTILE },
                bytes_sent: 40,
                bytes_received: 60,
            });
        }
        let (mut results, last) = recorder.finish(Duration::from_secs(self.seconds));
        parts.iter().chain([&last]).for_each(|part| results.timeline.add(part));
        results.processor_time = Duration::from_millis(300);
        results
    }
}

/// A seeded random number generator.
struct Random(u64);

impl Random {
    /// From 0 to 1 (xorshift, Marsaglia 2003).
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Approximately normal, with mean 0 and standard deviation 1.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}
