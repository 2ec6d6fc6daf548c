//! The commands of the services, and the flags that change settings.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use inrush_runtime::config::Flags;

use super::values::{DurationArg, Quantity};

/// Run everything in one process: front, fulfilment and the bundled order system, or your own.
///
/// Needs nothing installed: without --store the queue is in memory, without --database orders are too, and without
/// ticket keys a new key is made. All of it is lost when the process ends; --store redis://… and --database
/// sqlite:PATH keep it. Prints the addresses and example commands. Ctrl-C drains and stops.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush up
  inrush up --capacity 50          with an order system that creates 50 orders per second
  inrush up --orders http://127.0.0.1:8080     with your own order system
  inrush up --store redis://127.0.0.1 --database sqlite:orders.db --ticket-keys-file ticket.keys
  inrush up --listen 127.0.0.1:0 --orders-listen 127.0.0.1:0 --admin-listen off --json")]
pub(crate) struct UpArgs {
    #[command(flatten)]
    pub(crate) flags: AllFlags,
    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

/// The output of a service at its start.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputFlags {
    /// Print the addresses as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Run a front node: the public gRPC edge.
///
/// A front is stateless: run any number of them on one store with the same ticket keys.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush ticket new-key --out ticket.keys
  inrush front --store redis://10.0.0.1 --ticket-keys-file ticket.keys --listen 0.0.0.0:50051")]
pub(crate) struct FrontArgs {
    #[command(flatten)]
    front: FrontFlags,
    #[command(flatten)]
    tls: TlsFlags,
    #[command(flatten)]
    store: StoreFlags,
    #[command(flatten)]
    keys: TicketKeyFlags,
    #[command(flatten)]
    process: ProcessFlags,
    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

/// Run fulfilment: claim entries in queue order and stream them to the order system.
///
/// Run any number of them on one store; they share the entries and the pace of every sale.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Example:
  inrush fulfilment --store redis://10.0.0.1 --orders http://10.0.0.9:50061")]
pub(crate) struct FulfilmentArgs {
    #[command(flatten)]
    fulfilment: FulfilmentFlags,
    #[command(flatten)]
    store: StoreFlags,
    #[command(flatten)]
    process: ProcessFlags,
    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

/// Run the bundled order system.
///
/// Creates orders in SQLite or PostgreSQL with its own stock. To replace it, serve inrush.v1.OrderCreationService in
/// your order system.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  inrush orders --database sqlite:orders.db --front http://127.0.0.1:50051
  INRUSH_ORDERS_DATABASE=postgres://orders@db/orders inrush orders --listen 0.0.0.0:50061")]
pub(crate) struct OrdersArgs {
    #[command(flatten)]
    orders: OrdersFlags,
    #[command(flatten)]
    process: ProcessFlags,
    #[command(flatten)]
    pub(crate) output: OutputFlags,
}

/// Every flag that changes a setting.
#[derive(Debug, Args)]
pub(crate) struct AllFlags {
    #[command(flatten)]
    front: FrontFlags,
    #[command(flatten)]
    store: StoreFlags,
    #[command(flatten)]
    keys: TicketKeyFlags,
    #[command(flatten)]
    orders: EmbeddedOrdersFlags,
    #[command(flatten)]
    process: ProcessFlags,
}

/// The front.
#[derive(Debug, Args)]
#[command(next_help_heading = "Front")]
struct FrontFlags {
    /// Address to listen on; port 0 takes a free port [default: 127.0.0.1:50051].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Number of serving threads, one per core [default: all cores].
    #[arg(long, value_name = "COUNT")]
    cores: Option<Quantity>,
}

/// The front's certificates.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
struct TlsFlags {
    /// PEM file with the certificate chain; enables TLS.
    #[arg(long, value_name = "FILE")]
    tls_cert_file: Option<PathBuf>,
    /// PEM file with the private key of the certificate.
    #[arg(long, value_name = "FILE")]
    tls_key_file: Option<PathBuf>,
    /// PEM file with the CAs of client certificates; clients without a certificate are rejected (mTLS).
    #[arg(long, value_name = "FILE")]
    tls_client_ca_file: Option<PathBuf>,
}

/// The store.
#[derive(Debug, Args)]
#[command(next_help_heading = "Store")]
struct StoreFlags {
    /// URL of the store: memory: or redis://HOST:PORT/DB [default: memory:].
    ///
    /// For a URL with a password use INRUSH_STORE_URL or store.url: other users can see arguments.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// The ticket keys.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tickets")]
struct TicketKeyFlags {
    /// File with the keys that sign tickets, made by `inrush ticket new-key` [env: the keys in INRUSH_TICKETS_KEYS].
    #[arg(long, value_name = "FILE")]
    ticket_keys_file: Option<PathBuf>,
}

/// Fulfilment.
#[derive(Debug, Args)]
#[command(next_help_heading = "Fulfilment")]
struct FulfilmentFlags {
    /// URL of the order system, or several separated by commas [default: http://127.0.0.1:50061].
    #[arg(long, value_name = "URL")]
    orders: Option<String>,
}

/// The bundled order system in its own process.
#[derive(Debug, Args)]
#[command(next_help_heading = "Orders")]
struct OrdersFlags {
    /// Address to listen on; port 0 takes a free port [default: 127.0.0.1:50061].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// URL of any front, to read the stock of sales from and to report released orders to.
    #[arg(long, value_name = "URL")]
    front: Option<String>,
    #[command(flatten)]
    common: BundledOrdersFlags,
}

/// The order system of `inrush up`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Orders")]
struct EmbeddedOrdersFlags {
    /// URL of your order system, or several separated by commas; the bundled one is not started.
    #[arg(long, value_name = "URL", conflicts_with_all = ["orders_listen", "database", "capacity", "latency"])]
    orders: Option<String>,
    /// Address of the bundled order system to listen on; port 0 takes a free port [default: 127.0.0.1:50061].
    #[arg(long, value_name = "ADDRESS")]
    orders_listen: Option<String>,
    #[command(flatten)]
    common: BundledOrdersFlags,
}

/// The database and the speed of the bundled order system.
#[derive(Debug, Args)]
#[command(next_help_heading = "Orders")]
struct BundledOrdersFlags {
    /// URL of the order database: sqlite::memory:, sqlite:PATH or postgres://USER@HOST/NAME [default:
    /// sqlite::memory:].
    ///
    /// For a URL with a password use INRUSH_ORDERS_DATABASE or PGPASSFILE: other users can see arguments.
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Maximum rate of orders per second, for trials; 0: no limit but the database [default: 0].
    #[arg(long, value_name = "COUNT")]
    capacity: Option<Quantity>,
    /// Minimum time to create an order, for trials [default: 0s].
    #[arg(long, value_name = "DURATION")]
    latency: Option<DurationArg>,
}

/// The flags of every service.
#[derive(Debug, Args)]
#[command(next_help_heading = "Process")]
struct ProcessFlags {
    /// Address of admin HTTP (/metrics, /readyz, /config, /log-level), or `off` [default: 127.0.0.1:9090,
    /// fulfilment 9091, orders 9092].
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<String>,
    /// Log level, for all modules (info) or by module (info,inrush_front=debug) [default: info].
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    /// Format of a log line [default: text on a terminal, otherwise json].
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// The format of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Text on a terminal, otherwise JSON.
    Auto,
    /// Plain text.
    Text,
    /// One JSON object per line.
    Json,
}

impl AllFlags {
    /// The settings that these flags change.
    pub(crate) fn settings(&self) -> Flags {
        let flags = self.process.add_to(Flags::new());
        let flags = self.front.add_to(flags);
        let flags = self.store.add_to(flags);
        let flags = self.keys.add_to(flags);
        let flags = flags.set("fulfilment.orders", "--orders", self.orders.orders.as_ref()).set(
            "orders.listen",
            "--orders-listen",
            self.orders.orders_listen.as_ref(),
        );
        self.orders.common.add_to(flags)
    }
}

impl FrontArgs {
    /// The settings that these flags change.
    pub(crate) fn settings(&self) -> Flags {
        let flags = self.process.add_to(Flags::new());
        let flags = self.front.add_to(flags);
        let flags = self.tls.add_to(flags);
        let flags = self.store.add_to(flags);
        self.keys.add_to(flags)
    }
}

impl FulfilmentArgs {
    /// The settings that these flags change.
    pub(crate) fn settings(&self) -> Flags {
        let flags = self.process.add_to(Flags::new());
        let flags = self.store.add_to(flags);
        flags.set("fulfilment.orders", "--orders", self.fulfilment.orders.as_ref())
    }
}

impl OrdersArgs {
    /// The settings that these flags change.
    pub(crate) fn settings(&self) -> Flags {
        let flags = self
            .process
            .add_to(Flags::new())
            .set("orders.listen", "--listen", self.orders.listen.as_ref())
            .set("orders.front", "--front", self.orders.front.as_ref());
        self.orders.common.add_to(flags)
    }
}

impl FrontFlags {
    fn add_to(&self, flags: Flags) -> Flags {
        flags.set("front.listen", "--listen", self.listen.as_ref()).set(
            "front.cores",
            "--cores",
            self.cores.map(|cores| cores.0),
        )
    }
}

impl TlsFlags {
    fn add_to(&self, flags: Flags) -> Flags {
        flags
            .set("front.tls.cert_file", "--tls-cert-file", self.tls_cert_file.as_ref())
            .set("front.tls.key_file", "--tls-key-file", self.tls_key_file.as_ref())
            .set("front.tls.client_ca_file", "--tls-client-ca-file", self.tls_client_ca_file.as_ref())
    }
}

impl StoreFlags {
    fn add_to(&self, flags: Flags) -> Flags {
        flags.set("store.url", "--store", self.store.as_ref())
    }
}

impl TicketKeyFlags {
    fn add_to(&self, flags: Flags) -> Flags {
        flags.set("tickets.keys_file", "--ticket-keys-file", self.ticket_keys_file.as_ref())
    }
}

impl BundledOrdersFlags {
    fn add_to(&self, flags: Flags) -> Flags {
        let latency = self.latency.map(|latency| humantime::format_duration(latency.0).to_string());
        flags
            .set("orders.database", "--database", self.database.as_ref())
            .set("orders.capacity", "--capacity", self.capacity.map(|capacity| capacity.0))
            .set("orders.latency", "--latency", latency)
    }
}

impl ProcessFlags {
    fn add_to(&self, flags: Flags) -> Flags {
        let format = self.log_format.map(|format| match format {
            LogFormat::Auto => "auto",
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        });
        flags
            .set("admin.listen", "--admin-listen", self.admin_listen.as_ref())
            .set("log.level", "--log-level", self.log_level.as_ref())
            .set("log.format", "--log-format", format)
    }
}
