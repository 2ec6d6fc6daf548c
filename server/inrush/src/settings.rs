//! The one configuration of every command: its tables, and how the layers are put over each other.

use std::{env, path::PathBuf, time::Duration};

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

/// The URL of the store that keeps nothing.
pub(crate) const MEMORY_URL: &str = "memory:";

/// The level that logs nothing.
const SILENT: &str = "off";

settings! {
    /// Everything that can be set. A command reads the tables that concern it; all tables are checked for unknown keys.
    #[derive(Clone, Debug)]
    pub(crate) struct Settings {
        /// Where `sale` and `ticket` find Inrush: any front.
        pub(crate) server: String = "http://127.0.0.1:50051".to_owned(),
        /// How `sale` and `ticket` connect to it.
        pub(crate) client: ClientSettings,
        /// Where lines are kept.
        pub(crate) store: StoreSettings,
        /// The keys that sign tickets.
        pub(crate) tickets: TicketSettings,
        /// The public edge.
        pub(crate) front: FrontSettings,
        /// The way from the line to the order system.
        pub(crate) fulfilment: FulfilmentSettings,
        /// The bundled order system.
        pub(crate) orders: OrderSettings,
        /// HTTP for operators and orchestrators.
        pub(crate) admin: AdminSettings,
        /// What is logged, and how.
        pub(crate) log: LogSettings,
        /// What is told to a collector, and about how much.
        pub(crate) telemetry: TelemetrySettings,
    }
}

settings! {
    /// How client commands connect.
    #[derive(Clone, Debug)]
    pub(crate) struct ClientSettings {
        /// The bearer token, by variable only.
        pub(crate) token: Option<Secret>,
        /// A file with the bearer token.
        pub(crate) token_file: Option<PathBuf>,
        /// How long one call may take, tries and waits included.
        #[serde(with = "humantime_serde")]
        pub(crate) timeout: Duration = Duration::from_secs(10),
        /// The CAs that may have signed the server's certificate, PEM; unset: what the system trusts.
        pub(crate) ca_file: Option<PathBuf>,
        /// The name in the server's certificate, where it is not the host of the address.
        pub(crate) domain: Option<String>,
        /// The client's own certificate, PEM, where the server wants one.
        pub(crate) cert_file: Option<PathBuf>,
        /// Its private key, PEM.
        pub(crate) key_file: Option<PathBuf>,
    }
}

settings! {
    /// Where lines are kept.
    #[derive(Clone, Debug)]
    pub(crate) struct StoreSettings {
        /// `memory:`, or a Redis: `redis://…`, `rediss://…`, `redis+cluster://…`.
        pub(crate) url: ConnectionUrl = ConnectionUrl::new(MEMORY_URL),
        /// How long connecting to Redis may take.
        #[serde(with = "humantime_serde")]
        pub(crate) connect_timeout: Duration = DEFAULT_CONNECT_TIMEOUT,
        /// How long Redis may take for a command.
        #[serde(with = "humantime_serde")]
        pub(crate) response_timeout: Duration = DEFAULT_RESPONSE_TIMEOUT,
        /// How long an admission waits for a replica of Redis, in sales whose durability is REPLICATED.
        #[serde(with = "humantime_serde")]
        pub(crate) replication_timeout: Duration = DEFAULT_REPLICATION_TIMEOUT,
        /// The CAs that may have signed the certificate of Redis, PEM; unset: the public ones.
        pub(crate) ca_file: Option<PathBuf>,
    }
}

settings! {
    /// The keys that sign tickets: by variable or by file, not both.
    #[derive(Clone, Debug)]
    pub(crate) struct TicketSettings {
        /// The keys, by variable only.
        pub(crate) keys: Option<Secret>,
        /// A file with the keys, one on a line, the signing key first.
        pub(crate) keys_file: Option<PathBuf>,
    }
}

/// Puts the layers over each other: defaults, file, environment, flags.
///
/// # Errors
/// Every unknown key and variable, each with the nearest known one, or the first value that does not fit.
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

/// What this command logs. A client command says what went wrong itself, so unless a level was asked for it is silent.
pub(crate) fn log(settings: &Loaded<Settings>, command: &Command) -> LogSettings {
    let mut log = settings.value.log.clone();
    let asked_for = settings.origin("log.level").is_some_and(|origin| *origin != Origin::Default);
    if command.service().is_none() && !asked_for {
        log.level = SILENT.to_owned();
    }
    log
}

/// What this command tells a collector: services everything, others nothing.
pub(crate) fn telemetry(settings: &Loaded<Settings>, command: &Command) -> TelemetrySettings {
    let telemetry = settings.value.telemetry.clone();
    if command.service().is_some() {
        telemetry
    } else {
        TelemetrySettings { otlp_endpoint: None, ..telemetry }
    }
}
