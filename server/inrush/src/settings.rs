//! The settings of all commands: their tables, and how the layers are loaded.

use std::{env, path::PathBuf, time::Duration};

use inrush_core::epochs::RESTORE_WINDOW;
use inrush_front::FrontSettings;
use inrush_fulfilment::FulfilmentSettings;
use inrush_orders::OrderSettings;
use inrush_runtime::{
    admin::AdminSettings,
    config::{Flags, Loaded, Loader, Origin},
    connection_url::ConnectionUrl,
    secret::Secret,
    settings,
};
use inrush_store::redis::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_REPLICATION_TIMEOUT, DEFAULT_RESPONSE_TIMEOUT};
use inrush_telemetry::{LogSettings, TelemetrySettings};

use crate::{
    cli::{CONFIG_VARIABLE, Command},
    error,
};

/// The URL of the store in the memory of the process.
pub(crate) const MEMORY_URL: &str = "memory:";

/// The level that logs nothing.
const SILENT: &str = "off";

settings! {
    /// All settings. A command uses the tables that concern it; all tables are checked for unknown keys.
    #[derive(Clone, Debug)]
    pub(crate) struct Settings {
        /// URL of any front, for `inrush sale` and `inrush ticket`.
        pub(crate) server: String = "http://127.0.0.1:50051".to_owned(),
        /// The connection of `inrush sale` and `inrush ticket`.
        pub(crate) client: ClientSettings,
        /// The store.
        pub(crate) store: StoreSettings,
        /// The keys that sign tickets.
        pub(crate) tickets: TicketSettings,
        /// The front.
        pub(crate) front: FrontSettings,
        /// Fulfilment.
        pub(crate) fulfilment: FulfilmentSettings,
        /// The bundled order system.
        pub(crate) orders: OrderSettings,
        /// Admin HTTP.
        pub(crate) admin: AdminSettings,
        /// Logs.
        pub(crate) log: LogSettings,
        /// Metrics and traces, and their export.
        pub(crate) telemetry: TelemetrySettings,
    }
}

settings! {
    /// The connection of client commands.
    #[derive(Clone, Debug)]
    pub(crate) struct ClientSettings {
        /// The bearer token; set it by variable only.
        pub(crate) token: Option<Secret>,
        /// File with the bearer token.
        pub(crate) token_file: Option<PathBuf>,
        /// Deadline of a call, retries included.
        #[serde(with = "humantime_serde")]
        pub(crate) timeout: Duration = Duration::from_secs(10),
        /// PEM file with the CAs of the server's certificate. Unset: the CAs that the system trusts.
        pub(crate) ca_file: Option<PathBuf>,
        /// Name in the server's certificate, if it is not the host of the URL.
        pub(crate) domain: Option<String>,
        /// PEM file with the client's certificate chain, if the server requires one (mTLS).
        pub(crate) cert_file: Option<PathBuf>,
        /// PEM file with the private key of that certificate.
        pub(crate) key_file: Option<PathBuf>,
    }
}

settings! {
    /// The store.
    #[derive(Clone, Debug)]
    pub(crate) struct StoreSettings {
        /// URL of the store: `memory:`, or Redis by `redis://…`, `rediss://…`, `redis+cluster://…`.
        pub(crate) url: ConnectionUrl = ConnectionUrl::new(MEMORY_URL),
        /// Timeout of connecting to Redis.
        #[serde(with = "humantime_serde")]
        pub(crate) connect_timeout: Duration = DEFAULT_CONNECT_TIMEOUT,
        /// Timeout of a Redis command.
        #[serde(with = "humantime_serde")]
        pub(crate) response_timeout: Duration = DEFAULT_RESPONSE_TIMEOUT,
        /// How long an Enqueue waits for replicas of Redis, in sales with durability REPLICATED.
        #[serde(with = "humantime_serde")]
        pub(crate) replication_timeout: Duration = DEFAULT_REPLICATION_TIMEOUT,
        /// For how many replicas such an Enqueue waits, 1 to 64; 0: for all that could be promoted. With fewer a promotion may lose
        /// tickets.
        pub(crate) replicas: u32 = 0,
        /// After a loss of tickets, how long only their holders are admitted: 0 to 5 min. Set it alike on fronts and
        /// fulfilments.
        #[serde(with = "humantime_serde")]
        pub(crate) restore_window: Duration = RESTORE_WINDOW,
        /// PEM file with the CAs of Redis' certificate. Unset: the public CAs.
        pub(crate) ca_file: Option<PathBuf>,
    }
}

settings! {
    /// The keys that sign tickets, by variable or by file, not both.
    #[derive(Clone, Debug)]
    pub(crate) struct TicketSettings {
        /// The keys that sign tickets; set them by variable only.
        pub(crate) keys: Option<Secret>,
        /// File with the keys that sign tickets, one per line, the signing key first.
        pub(crate) keys_file: Option<PathBuf>,
    }
}

/// Loads the layers: defaults, file, environment, flags.
///
/// # Errors
/// All unknown keys and variables, each with the nearest known one, or the first invalid value.
pub(crate) fn load(file: Option<PathBuf>, flags: Flags) -> anyhow::Result<Loaded<Settings>> {
    let mut loader = Loader::new().reserve(CONFIG_VARIABLE).environment(env::vars_os()).flags(flags);
    if let Some(file) = file {
        loader = loader.file(file);
    }
    let settings = loader.load()?;
    refuse_passwords_in_flags(&settings)?;
    Ok(settings)
}

/// Other users of the machine can see arguments.
fn refuse_passwords_in_flags(settings: &Loaded<Settings>) -> anyhow::Result<()> {
    let database = ConnectionUrl::new(settings.value.orders.database.to_string());
    for (key, variable, url) in [
        ("store.url", "INRUSH_STORE_URL", &settings.value.store.url),
        ("orders.database", "INRUSH_ORDERS_DATABASE", &database),
    ] {
        if let Some(Origin::Flag(flag)) = settings.origin(key)
            && url.has_password()
        {
            return Err(error::usage(
                format!("{flag} holds a password, and other users of this machine can see arguments"),
                format!("set {variable} or the key {key} of a configuration file instead"),
            ));
        }
    }
    Ok(())
}

/// The log settings of a command. A client command prints its errors itself, so it logs nothing unless a level is
/// set.
pub(crate) fn log(settings: &Loaded<Settings>, command: &Command) -> LogSettings {
    let mut log = settings.value.log.clone();
    let is_set = settings.origin("log.level").is_some_and(|origin| *origin != Origin::Default);
    if command.service().is_none() && !is_set {
        log.level = SILENT.to_owned();
    }
    log
}

/// The telemetry settings of a command: only services export.
pub(crate) fn telemetry(settings: &Loaded<Settings>, command: &Command) -> TelemetrySettings {
    let telemetry = settings.value.telemetry.clone();
    if command.service().is_some() {
        telemetry
    } else {
        TelemetrySettings { otlp_endpoint: None, ..telemetry }
    }
}
