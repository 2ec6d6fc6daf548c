//! Follows the master that sentinels name: immediately by their events, and by asking each of them every second.
//!
//! A sentinel that was cut off may still name the old master, so the answers of all of them count, and the one with the
//! highest configuration epoch decides. The epochs of sentinels that do not answer are forgotten: sentinels that were
//! set up anew count from zero.

use std::{
    collections::HashMap,
    fmt,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt;
use parking_lot::Mutex;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    TlsCertificates,
    aio::{MultiplexedConnection, PubSub},
};
use tokio::{
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{client::client_with, settings::RedisSettings};

/// How often each sentinel is asked, whether or not it announces something.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// The shortest time between two questions to one sentinel, however many commands fail.
const MIN_ASK_INTERVAL: Duration = Duration::from_millis(50);

/// Wait before the connection to a sentinel is made again.
const RECONNECT_BACKOFF: Duration = Duration::from_millis(500);

/// What a sentinel publishes when its answer may have changed. `+switch-master` is the last step of a failover; a
/// sentinel names the new master as soon as the replica was promoted, before the other replicas follow it.
const EVENTS: [&str; 5] = [
    "+promoted-slave",
    "+failover-state-reconf-slaves",
    "+failover-end",
    "+config-update-from",
    "+switch-master",
];

/// The sentinels of a URL, and the master that they name.
pub(super) struct Sentinels {
    clients: Vec<Client>,
    /// Address of no server: the rest is how to connect to the master.
    template: ConnectionInfo,
    authority: Option<TlsCertificates>,
    /// For every question to a sentinel, and for connecting to it.
    reply_timeout: Duration,
    shared: Arc<Shared>,
    /// One follower for each sentinel; they end when this is dropped.
    followers: Mutex<JoinSet<()>>,
}

/// What followers and connections share.
struct Shared {
    /// Hosts and ports of the sentinels, and the name of the master.
    name: String,
    master_name: String,
    view: watch::Sender<View>,
    ask: Notify,
}

/// The master at one time, until another one takes its place.
#[derive(Clone, Debug)]
pub(super) struct Master {
    address: Address,
    /// Cancelled once the sentinels name another master: what this one acknowledges after that will be lost.
    pub(super) retired: CancellationToken,
    /// How many replicas the sentinels could promote in its place.
    pub(super) replicas: Arc<AtomicU64>,
}

/// The last answers of all sentinels, and the master that they lead to.
struct View {
    answers: Vec<Answer>,
    master: Option<Master>,
    /// The master before, which takes itself for one for some seconds.
    old_master: Option<Address>,
}

enum Answer {
    NotYet,
    Named(Report, Vec<Replica>),
    Failed(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    epoch: u64,
    address: Address,
}

/// A replica as a sentinel sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Replica {
    address: Address,
    /// The sentinel reaches it, and may promote it.
    is_promotable: bool,
    /// It says that it is a master.
    is_master: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: u16,
}

impl Sentinels {
    /// Does not connect.
    pub(super) fn new(
        clients: Vec<Client>,
        master_name: &str,
        template: ConnectionInfo,
        authority: Option<TlsCertificates>,
        settings: &RedisSettings,
    ) -> Self {
        let names: Vec<String> =
            clients.iter().map(|client| client.get_connection_info().addr().to_string()).collect();
        let answers = clients.iter().map(|_| Answer::NotYet).collect();
        let shared = Shared {
            name: format!("{}/{master_name}", names.join(",")),
            master_name: master_name.to_owned(),
            view: watch::Sender::new(View { answers, master: None, old_master: None }),
            ask: Notify::new(),
        };
        Self {
            clients,
            template,
            authority,
            reply_timeout: settings.connect_timeout + settings.response_timeout,
            shared: Arc::new(shared),
            followers: Mutex::default(),
        }
    }

    /// Starts to follow the sentinels, in tasks on the runtime at hand.
    pub(super) fn follow(&self) {
        let mut followers = self.followers.lock();
        for (index, client) in self.clients.iter().enumerate() {
            let (shared, client) = (Arc::clone(&self.shared), client.clone());
            let reply_timeout = self.reply_timeout;
            followers.spawn(async move { shared.follow(index, &client, reply_timeout).await });
        }
    }

    /// The master; waits for the first answer of a sentinel.
    ///
    /// # Errors
    /// If no sentinel has ever named a master, and none answers.
    pub(super) async fn master(&self) -> RedisResult<Master> {
        let mut view = self.shared.view.subscribe();
        let Ok(view) = view.wait_for(|view| view.master.is_some() || view.failure().is_some()).await else {
            return pending().await; // The sender is in `self`.
        };
        match &view.master {
            Some(master) => Ok(master.clone()),
            None => Err(no_master(view.failure().unwrap_or_default())),
        }
    }

    /// A client of this master.
    pub(super) fn client_of(&self, master: &Master) -> RedisResult<Client> {
        let Address { host, port } = master.address.clone();
        let addr = match self.template.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        client_with(self.template.clone().set_addr(addr), self.authority.clone())
    }

    /// Asks all sentinels soon: a command failed, or a server is not the master that they named.
    pub(super) fn ask(&self) {
        self.shared.ask.notify_waiters();
    }
}

impl Shared {
    async fn follow(&self, index: usize, client: &Client, reply_timeout: Duration) {
        loop {
            let error = match self.session(index, client, reply_timeout).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            tracing::debug!(sentinel = %client.get_connection_info().addr(), error, "sentinel does not answer; reconnecting");
            self.update(index, Answer::Failed(error));
            sleep(RECONNECT_BACKOFF).await;
        }
    }

    /// Asks one sentinel until it does not answer.
    async fn session(
        &self,
        index: usize,
        client: &Client,
        reply_timeout: Duration,
    ) -> Result<std::convert::Infallible, String> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(reply_timeout))
            .set_response_timeout(Some(reply_timeout));
        let connected = async {
            let subscription = subscribe(client).await?;
            Ok((subscription, client.get_multiplexed_async_connection_with_config(&config).await?))
        };
        let connected: RedisResult<_> = timeout(reply_timeout, connected).await.map_err(|_| silent())?;
        let (subscription, mut connection) = connected.map_err(|error| error.to_string())?;
        let (_subscriber, mut events) = subscription.split();
        loop {
            // Registered before the question: what fails while it is answered leads to another one.
            let asked = self.ask.notified();
            let (report, replicas) =
                query(&mut connection, &self.master_name).await.map_err(|error| error.to_string())?;
            let answered = Instant::now();
            self.update(index, Answer::Named(report, replicas));
            tokio::select! {
                event = events.next() => {
                    if event.is_none() {
                        return Err("its connection closed".to_owned());
                    }
                }
                () = asked => sleep_until(answered + MIN_ASK_INTERVAL).await,
                () = sleep_until(answered + ASK_INTERVAL) => {}
            }
        }
    }

    fn update(&self, index: usize, answer: Answer) {
        self.view.send_if_modified(|view| view.update(&self.name, index, answer));
    }
}

impl View {
    /// Returns whether it has changed for those who wait for a master.
    fn update(&mut self, name: &str, index: usize, answer: Answer) -> bool {
        let had_failed = self.failure().is_some();
        if let Some(slot) = self.answers.get_mut(index) {
            *slot = answer;
        }
        let changed = self.follow(name) || self.failure().is_some() != had_failed;
        if let Some(master) = &self.master {
            master.replicas.store(self.promotable(&master.address), Ordering::Relaxed);
        }
        changed
    }

    /// Returns whether there is another master.
    fn follow(&mut self, name: &str) -> bool {
        let named = self.named().cloned();
        let current = self.master.as_ref().map(|master| &master.address);
        match named {
            Some(Report { address, epoch }) if current != Some(&address) => {
                if let Some(old) = self.master.take() {
                    tracing::warn!(
                        sentinels = name, old = %old.address, new = %address, epoch,
                        "failover: the sentinels name another master; connections to the old one are closed"
                    );
                    old.retired.cancel();
                    self.old_master = Some(old.address);
                } else {
                    tracing::info!(sentinels = name, master = %address, epoch, "the sentinels name the master");
                }
                let (retired, replicas) = (CancellationToken::new(), Arc::default());
                self.master = Some(Master { address, retired, replicas });
                true
            }
            _ => false,
        }
    }

    /// How many replicas of this master could be promoted: the highest count of a sentinel, since any of them may lead the
    /// failover. A replica that has just been promoted counts until the sentinels name it: the others may still follow
    /// the old master. That one does not count any more; it follows the new one after some seconds.
    fn promotable(&self, master: &Address) -> u64 {
        let counts = self.answers.iter().filter_map(|answer| match answer {
            Answer::Named(report, replicas) if report.address == *master => {
                let promotable = replicas.iter().filter(|replica| {
                    let is_old_master =
                        replica.is_master && self.old_master.as_ref() == Some(&replica.address);
                    replica.is_promotable && !is_old_master && replica.address != *master
                });
                Some(promotable.count() as u64)
            }
            Answer::Named(..) | Answer::NotYet | Answer::Failed(_) => None,
        });
        // Without an answer the last count stays.
        let last = self.master.as_ref().map(|master| master.replicas.load(Ordering::Relaxed));
        counts.max().or(last).unwrap_or_default()
    }

    /// The report that decides: of those with the highest epoch the one of most sentinels.
    fn named(&self) -> Option<&Report> {
        let reports = || {
            self.answers.iter().filter_map(|answer| match answer {
                Answer::Named(report, _) => Some(report),
                Answer::NotYet | Answer::Failed(_) => None,
            })
        };
        reports().max_by_key(|&report| (report.epoch, reports().filter(|&other| other == report).count()))
    }

    /// Why no sentinel names a master: each of them failed at its last question.
    fn failure(&self) -> Option<String> {
        let failures: Vec<&str> = self
            .answers
            .iter()
            .filter_map(|answer| match answer {
                Answer::Failed(error) => Some(error.as_str()),
                Answer::NotYet | Answer::Named(..) => None,
            })
            .collect();
        (failures.len() == self.answers.len()).then(|| failures.join("; "))
    }
}

/// Hosts and ports of the sentinels, and the name of the master.
impl fmt::Display for Sentinels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shared.name)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

async fn subscribe(client: &Client) -> RedisResult<PubSub> {
    let mut subscription = client.get_async_pubsub().await?;
    subscription.subscribe(&EVENTS).await?;
    Ok(subscription)
}

/// The commands are answered together: the address belongs to the epoch, and the replicas to the address.
async fn query(
    connection: &mut MultiplexedConnection,
    master_name: &str,
) -> RedisResult<(Report, Vec<Replica>)> {
    type Details = HashMap<String, String>;
    let (address, details, replicas): (Option<(String, u16)>, Details, Vec<Details>) = redis::pipe()
        .cmd("SENTINEL")
        .arg("GET-MASTER-ADDR-BY-NAME")
        .arg(master_name)
        .cmd("SENTINEL")
        .arg("MASTER")
        .arg(master_name)
        .cmd("SENTINEL")
        .arg("REPLICAS")
        .arg(master_name)
        .query_async(connection)
        .await?;
    let epoch = details.get("config-epoch").and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
    match address {
        Some((host, port)) => {
            let report = Report { epoch, address: Address { host, port } };
            Ok((report, replicas.iter().map(replica_of).collect()))
        }
        None => Err(no_master("the sentinel names none".to_owned())),
    }
}

/// From the fields of `SENTINEL REPLICAS`. Sentinels promote no replica that they do not reach, and none of priority 0.
fn replica_of(fields: &HashMap<String, String>) -> Replica {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let is_down = field("flags").split(',').any(|flag| matches!(flag, "s_down" | "o_down" | "disconnected"));
    Replica {
        address: Address { host: field("ip").to_owned(), port: field("port").parse().unwrap_or_default() },
        is_promotable: !is_down && field("slave-priority") != "0",
        is_master: field("role-reported") == "master",
    }
}

fn no_master(why: String) -> RedisError {
    (ErrorKind::MasterNameNotFoundBySentinel, "no sentinel names the master", why).into()
}

fn silent() -> String {
    "it does not answer in time".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(epoch: u64, port: u16) -> Answer {
        Answer::Named(Report { epoch, address: address(port) }, Vec::new())
    }

    fn address(port: u16) -> Address {
        Address { host: "cache".to_owned(), port }
    }

    fn with_replicas(epoch: u64, port: u16, replicas: &[(u16, &str, &str)]) -> Answer {
        let replicas = replicas.iter().map(|&(port, flags, role)| {
            let fields = [
                ("ip", "cache"),
                ("port", &port.to_string()),
                ("flags", flags),
                ("role-reported", role),
                ("slave-priority", if port == 9 { "0" } else { "100" }),
            ];
            replica_of(&fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
        });
        Answer::Named(Report { epoch, address: address(port) }, replicas.collect())
    }

    fn view(sentinels: usize) -> View {
        View { answers: (0..sentinels).map(|_| Answer::NotYet).collect(), master: None, old_master: None }
    }

    fn port(view: &View) -> Option<u16> {
        view.master.as_ref().map(|master| master.address.port)
    }

    #[test]
    fn the_highest_epoch_decides_whatever_order_the_answers_have() {
        let mut view = view(3);
        assert!(view.update("", 0, report(1, 1)));
        let old = view.master.clone().unwrap();
        assert!(view.update("", 2, report(2, 2)));
        assert!(old.retired.is_cancelled());
        assert!(!view.update("", 1, report(1, 1)), "a sentinel that was cut off names the old master");
        assert!(!view.update("", 0, report(2, 2)));
        assert_eq!(port(&view), Some(2));
        assert!(!view.master.unwrap().retired.is_cancelled());
    }

    #[test]
    fn the_epoch_of_a_sentinel_that_does_not_answer_is_forgotten() {
        let mut view = view(2);
        view.update("", 0, report(9, 1));
        view.update("", 0, Answer::Failed(String::new()));
        assert_eq!(port(&view), Some(1), "the last known master stays");
        view.update("", 1, report(0, 2));
        assert_eq!(port(&view), Some(2));
    }

    #[test]
    fn of_equal_epochs_most_sentinels_decide() {
        let mut view = view(3);
        for (index, port) in [(0, 1), (1, 2), (2, 1)] {
            view.update("", index, report(4, port));
        }
        assert_eq!(port(&view), Some(1));
    }

    #[test]
    fn a_failure_is_known_once_every_sentinel_failed() {
        let mut view = view(2);
        assert!(!view.update("", 0, Answer::Failed("a".to_owned())));
        assert_eq!(view.failure(), None);
        assert!(view.update("", 1, Answer::Failed("b".to_owned())));
        assert_eq!(view.failure().as_deref(), Some("a; b"));
        assert!(view.update("", 1, report(1, 1)));
        assert_eq!(view.failure(), None);
    }

    #[test]
    fn replicas_that_could_be_promoted_count() {
        let count = |view: &View| view.master.as_ref().unwrap().replicas.load(Ordering::Relaxed);
        let mut view = view(2);
        view.update("", 0, with_replicas(1, 1, &[(2, "slave", "slave"), (3, "slave,s_down", "slave")]));
        assert_eq!(count(&view), 1, "one is down");
        view.update("", 1, with_replicas(1, 1, &[(2, "slave", "slave"), (3, "slave", "slave")]));
        assert_eq!(count(&view), 2, "the other sentinel reaches both, and may promote either");
        view.update("", 0, Answer::Failed(String::new()));
        view.update("", 1, Answer::Failed(String::new()));
        assert_eq!(count(&view), 2, "without an answer the last count stays");
        view.update("", 1, with_replicas(1, 1, &[(2, "slave", "master"), (3, "slave", "slave")]));
        assert_eq!(count(&view), 2, "one is promoted, and the sentinels do not name it yet");
        view.update("", 1, with_replicas(2, 2, &[(2, "slave,promoted", "master"), (3, "slave", "slave")]));
        assert_eq!(count(&view), 1, "the sentinels list the new master until the others follow it");
        view.update("", 1, with_replicas(2, 2, &[(1, "slave", "master"), (3, "slave", "slave")]));
        assert_eq!(count(&view), 1, "the old master does not follow the new one yet");
        view.update(
            "",
            1,
            with_replicas(2, 2, &[(1, "slave", "slave"), (3, "slave", "slave"), (9, "slave", "slave")]),
        );
        assert_eq!(count(&view), 2, "a replica of priority 0 is never promoted");
    }
}
