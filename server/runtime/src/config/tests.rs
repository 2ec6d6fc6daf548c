use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::*;
use crate::connection_url::ConnectionUrl;
use crate::secret::Secret;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Settings {
    zone: Option<String>,
    front: Front,
    store: Store,
    orders: Orders,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Front {
    listen: String,
    batch_limit: u16,
    #[serde(with = "humantime_serde")]
    grace: Duration,
    #[serde(with = "humantime_serde")]
    idle: Option<Duration>,
    reflection: bool,
    mode: Mode,
    token: Option<Token>,
    token_file: Option<PathBuf>,
    tls: Tls,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Open,
    Closed,
}

/// A secret that tests can compare.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
struct Token(Secret);

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose() == other.0.expose()
    }
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Tls {
    cert_file: Option<PathBuf>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Store {
    url: ConnectionUrl,
    ratio: f64,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Orders {
    stock: BTreeMap<String, u32>,
    routes: Vec<String>,
    weights: Vec<u8>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            zone: None,
            front: Front {
                listen: "127.0.0.1:50051".to_owned(),
                batch_limit: 256,
                grace: Duration::from_secs(5),
                idle: None,
                reflection: true,
                mode: Mode::Open,
                token: None,
                token_file: None,
                tls: Tls::default(),
            },
            store: Store { url: "memory:".into(), ratio: 0.5 },
            orders: Orders::default(),
        }
    }
}

fn file(text: &str) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn from_environment(variables: &[(&str, &str)]) -> Result<Loaded<Settings>, ConfigError> {
    Loader::new().environment(variables.iter().copied()).load()
}

fn from_file(text: &str) -> Result<Loaded<Settings>, ConfigError> {
    Loader::new().file(file(text).path()).load()
}

/// The message without the temporary file's folder and name.
fn message(error: &ConfigError, file: &NamedTempFile) -> String {
    error.to_string().replace(&file.path().display().to_string(), "inrush.toml")
}

#[test]
fn without_layers_all_keys_have_their_defaults() {
    let loaded = Loader::new().load::<Settings>().unwrap();
    assert_eq!(loaded.value, Settings::default());
    assert_eq!(loaded.origin("front.grace"), Some(&Origin::Default));
    assert_eq!(loaded.origin("front.colour"), None);
}

#[test]
fn each_layer_overrides_keys_of_the_earlier_ones() {
    let file = file("zone = 'a'\n[front]\nlisten = 'file:1'\nbatch_limit = 1\ngrace = '1s'\n");
    let loaded = Loader::new()
        .file(file.path())
        .environment([("INRUSH_FRONT_BATCH_LIMIT", "2"), ("INRUSH_FRONT_GRACE", "2s"), ("PATH", "/bin")])
        .flags(Flags::new().set("front.grace", "--grace", Some("3s")).set("zone", "--zone", None::<&str>))
        .load::<Settings>()
        .unwrap();
    let Settings { zone, front, .. } = &loaded.value;
    assert_eq!(zone.as_deref(), Some("a"));
    assert_eq!(
        (front.listen.as_str(), front.batch_limit, front.grace),
        ("file:1", 2, Duration::from_secs(3))
    );
    assert!(front.reflection);
    for (key, origin) in [
        ("zone", Origin::File { path: file.path().to_owned(), line: 1 }),
        ("front.listen", Origin::File { path: file.path().to_owned(), line: 3 }),
        ("front.batch_limit", Origin::Variable("INRUSH_FRONT_BATCH_LIMIT".to_owned())),
        ("front.grace", Origin::Flag("--grace".to_owned())),
        ("front.reflection", Origin::Default),
    ] {
        assert_eq!(loaded.origin(key), Some(&origin), "{key}");
    }
}

#[test]
fn variables_take_every_kind_of_value() {
    let loaded = from_environment(&[
        ("INRUSH_ZONE", "7"),
        ("INRUSH_FRONT_IDLE", "90s"),
        ("INRUSH_FRONT_REFLECTION", "false"),
        ("INRUSH_FRONT_MODE", "closed"),
        ("INRUSH_FRONT_TOKEN", "12345"),
        ("INRUSH_FRONT_TLS_CERT_FILE", "/etc/inrush/cert.pem"),
        ("INRUSH_STORE_URL", "redis://:hunter2@10.0.0.1"),
        ("INRUSH_STORE_RATIO", "0.25"),
        ("INRUSH_ORDERS_STOCK", "phone=2000, console=50"),
        ("INRUSH_ORDERS_ROUTES", "a, b,"),
        ("INRUSH_ORDERS_WEIGHTS", "1,2"),
    ])
    .unwrap()
    .value;
    assert_eq!(loaded.zone.as_deref(), Some("7"), "text that looks like a number stays text");
    assert_eq!(loaded.front.idle, Some(Duration::from_secs(90)));
    assert!(!loaded.front.reflection);
    assert_eq!(loaded.front.mode, Mode::Closed);
    assert_eq!(loaded.front.token.unwrap().0.expose(), "12345");
    assert_eq!(loaded.front.tls.cert_file, Some("/etc/inrush/cert.pem".into()));
    assert_eq!(loaded.store, Store { url: "redis://:hunter2@10.0.0.1".into(), ratio: 0.25 });
    assert_eq!(
        loaded.orders,
        Orders {
            stock: BTreeMap::from([("phone".to_owned(), 2000), ("console".to_owned(), 50)]),
            routes: vec!["a".to_owned(), "b".to_owned()],
            weights: vec![1, 2],
        }
    );
}

#[test]
fn a_map_in_a_file_can_be_a_table_and_keeps_its_names() {
    let loaded = from_file("[orders.stock]\nphone = 2000\n\"games console\" = 50\n").unwrap().value;
    assert_eq!(
        loaded.orders.stock,
        BTreeMap::from([("phone".to_owned(), 2000), ("games console".to_owned(), 50)])
    );
}

#[test]
fn flags_take_lists_maps_and_numbers() {
    let flags = Flags::new()
        .set("orders.stock", "--stock", Some("phone=1"))
        .set("orders.routes", "--route", Some(vec!["a", "b"]))
        .set("front.batch_limit", "--batch-limit", Some(9));
    let loaded = Loader::new().flags(flags).load::<Settings>().unwrap().value;
    assert_eq!(loaded.orders.stock["phone"], 1);
    assert_eq!(loaded.orders.routes, ["a", "b"]);
    assert_eq!(loaded.front.batch_limit, 9);
}

#[test]
fn empty_reserved_test_and_foreign_variables_are_ignored() {
    let loaded = Loader::new()
        .environment([
            ("INRUSH_ZONE", ""),
            ("INRUSH_CONFIG", "/etc/inrush.toml"),
            ("INRUSH_TEST_REDIS_SERVER", "/usr/bin/redis-server"),
            ("INRUSH_FRONT_SERVICE_HOST", "10.0.0.7"),
            ("INRUSH_FRONT_SERVICE_PORT", "50051"),
            ("INRUSH_FRONT_PORT", "tcp://10.0.0.7:50051"),
            ("RUST_LOG", "debug"),
        ])
        .reserve("INRUSH_CONFIG")
        .load::<Settings>()
        .unwrap();
    assert_eq!(loaded.value, Settings::default());
}

#[test]
fn all_unknown_keys_and_variables_are_reported_together() {
    let file =
        file("[front]\nlisten = 'x'\nbatch_limt = 1\n\n[frnt]\nlisten = 'y'\n[front.tls]\nurl = 'z'\n");
    let error = Loader::new()
        .file(file.path())
        .environment([("INRUSH_FRONT_BATCH_LIMITS", "1"), ("INRUSH_COLOUR_OF_MONEY", "red")])
        .flags(Flags::new().set("front.gracious", "--gracious", Some("1s")))
        .load::<Settings>()
        .unwrap_err();
    assert_eq!(
        message(&error, &file),
        "the configuration has 6 errors:\
         \n  - unknown key `front.batch_limt` (file inrush.toml, line 3); did you mean `front.batch_limit`?\
         \n  - unknown key `front.tls.url` (file inrush.toml, line 8); did you mean `store.url`?\
         \n  - unknown key `frnt` (file inrush.toml, line 5); did you mean `front`?\
         \n  - unknown environment variable `INRUSH_COLOUR_OF_MONEY`\
         \n  - unknown environment variable `INRUSH_FRONT_BATCH_LIMITS`; did you mean `INRUSH_FRONT_BATCH_LIMIT`?\
         \n  - unknown key `front.gracious` (flag --gracious); did you mean `front.grace`?"
    );
}

#[test]
fn an_invalid_value_is_reported_with_its_key_and_origin() {
    for (variable, value, expected) in [
        (
            "INRUSH_FRONT_BATCH_LIMIT",
            "many",
            "`front.batch_limit` (variable INRUSH_FRONT_BATCH_LIMIT): invalid type",
        ),
        (
            "INRUSH_FRONT_BATCH_LIMIT",
            "70000",
            "`front.batch_limit` (variable INRUSH_FRONT_BATCH_LIMIT): invalid value",
        ),
        ("INRUSH_FRONT_GRACE", "5", "`front.grace` (variable INRUSH_FRONT_GRACE): "),
        (
            "INRUSH_FRONT_MODE",
            "ajar",
            "`front.mode` (variable INRUSH_FRONT_MODE): unknown variant: found `ajar`",
        ),
        (
            "INRUSH_ORDERS_STOCK",
            "phone",
            "`orders.stock` (variable INRUSH_ORDERS_STOCK): `phone` has no value",
        ),
        (
            "INRUSH_ORDERS_STOCK",
            "phone=many",
            "`orders.stock.phone` (variable INRUSH_ORDERS_STOCK): invalid type",
        ),
        ("INRUSH_ORDERS_WEIGHTS", "1,x", "`orders.weights.1` (variable INRUSH_ORDERS_WEIGHTS): invalid type"),
    ] {
        let message = from_environment(&[(variable, value)]).unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
    let file = file("\n[front]\nbatch_limit = -1\n");
    let error = Loader::new().file(file.path()).load::<Settings>().unwrap_err();
    let message = message(&error, &file);
    assert!(
        message.starts_with("`front.batch_limit` (file inrush.toml, line 3): invalid value"),
        "{message}"
    );
}

#[test]
fn unreadable_and_invalid_files_are_reported_with_the_reason() {
    let error = Loader::new().file("/nowhere/inrush.toml").load::<Settings>().unwrap_err().to_string();
    assert!(
        error.starts_with("cannot read the configuration file /nowhere/inrush.toml: No such file"),
        "{error}"
    );
    let error = from_file("[front]\nlisten = \n").unwrap_err().to_string();
    assert!(error.contains("is not valid TOML") && error.contains("line 2"), "{error}");
    let error = from_file("front = 7\n").unwrap_err().to_string();
    assert!(error.contains("line 1) is a table: write the keys below a line [front]"), "{error}");
}

#[test]
fn a_variable_that_is_not_text_is_reported() {
    let broken = OsStr::from_bytes(&[0xff]).to_owned();
    let error = Loader::new().environment([("INRUSH_ZONE", broken)]).load::<Settings>().unwrap_err();
    assert_eq!(error.problems(), [Problem::NotText { variable: "INRUSH_ZONE".to_owned() }]);
}

#[test]
fn secrets_by_value_are_accepted_from_the_environment_only() {
    let file = file("[front]\ntoken = 'hunter2'\n");
    let in_file = Loader::new().file(file.path()).load::<Settings>().unwrap_err();
    assert_eq!(
        message(&in_file, &file),
        "`front.token` is a secret and must not be set by value in file inrush.toml, line 2: set the path of \
         a file in `front.token_file`, or set the environment variable INRUSH_FRONT_TOKEN"
    );
    let flags = Flags::new().set("front.token", "--token", Some("hunter2"));
    let in_flag = Loader::new().flags(flags).load::<Settings>().unwrap_err().to_string();
    assert!(in_flag.contains("by value in flag --token"), "{in_flag}");
    let not_text = from_file("[front]\ntoken = 4711\n").unwrap_err().to_string();
    assert!(not_text.contains("a secret must be text") && !not_text.contains("4711"), "{not_text}");
}

#[test]
fn the_effective_configuration_is_toml_with_origins_and_without_secrets() {
    let file = file("[front]\nlisten = '0.0.0.0:50051'\n[front.tls]\ncert_file = '/etc/inrush/cert.pem'\n");
    let loaded = Loader::new()
        .file(file.path())
        .environment([
            ("INRUSH_FRONT_TOKEN", "hunter2"),
            ("INRUSH_STORE_URL", "redis://:hunter2@10.0.0.1"),
            ("INRUSH_ORDERS_STOCK", "phone=2000,games console=50"),
        ])
        .flags(Flags::new().set("front.grace", "--grace", Some("3s")))
        .load::<Settings>()
        .unwrap();
    let printed = loaded.to_toml().replace(&file.path().display().to_string(), "inrush.toml");
    let expected = r#"# zone is not set  # default

[front]
listen = "0.0.0.0:50051"  # file inrush.toml, line 2
batch_limit = 256         # default
grace = "3s"              # flag --grace
# idle is not set         # default
reflection = true         # default
mode = "open"             # default
# token = "(set)"         # variable INRUSH_FRONT_TOKEN
# token_file is not set   # default

[front.tls]
cert_file = "/etc/inrush/cert.pem"  # file inrush.toml, line 4

[store]
url = "redis://:***@10.0.0.1"  # variable INRUSH_STORE_URL
ratio = 0.5                    # default

[orders]
stock = { "games console" = 50, phone = 2000 }  # variable INRUSH_ORDERS_STOCK
routes = []                                     # default
weights = []                                    # default
"#;
    assert_eq!(printed, expected);
    assert!(!format!("{loaded:?}").contains("hunter2"));
    assert_eq!(loaded.how_to_set("front.grace"), "`front.grace` (flag --grace, variable INRUSH_FRONT_GRACE)");
    assert_eq!(loaded.how_to_set("zone"), "`zone` (variable INRUSH_ZONE)");
}

#[test]
fn the_printed_configuration_can_be_loaded() {
    let before = from_environment(&[("INRUSH_ZONE", "a"), ("INRUSH_ORDERS_STOCK", "phone=2000")]).unwrap();
    let after = from_file(&before.to_toml()).unwrap();
    assert_eq!(after.value, before.value);
}

#[test]
fn invalid_settings_types_are_rejected() {
    #[derive(Default, Serialize, Deserialize)]
    struct Ambiguous {
        front: Limits,
        front_batch: u8,
    }
    #[derive(Default, Serialize, Deserialize)]
    struct Limits {
        batch: u8,
    }
    let error = Loader::new().load::<Ambiguous>().map(drop).unwrap_err().to_string();
    assert!(error.contains("INRUSH_FRONT_BATCH would set both `front.batch` and `front_batch`"), "{error}");

    #[derive(Serialize, Deserialize)]
    struct TooLarge {
        most: u64,
    }
    impl Default for TooLarge {
        fn default() -> Self {
            Self { most: u64::MAX }
        }
    }
    let error = Loader::new().load::<TooLarge>().map(drop).unwrap_err().to_string();
    assert!(error.starts_with("the settings cannot be written as TOML"), "{error}");
}

#[test]
fn a_table_without_keys_is_a_table() {
    #[derive(Default, Debug, PartialEq, Serialize, Deserialize)]
    struct Settings {
        empty: Empty,
    }
    #[derive(Default, Debug, PartialEq, Serialize, Deserialize)]
    struct Empty {}
    assert_eq!(Loader::new().load::<Settings>().unwrap().value, Settings::default());
}
