//! A PostgreSQL server for tests: in a temporary folder and stopped with the test process, or the one whose URL is in
//! `INRUSH_TEST_POSTGRES_URL`.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, bail, ensure};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::sync::OnceCell;

use crate::port::free_port;

/// Variable with the URL of a server to use instead of starting one. Its user must be allowed to create databases.
const URL_VARIABLE: &str = "INRUSH_TEST_POSTGRES_URL";
/// The folder of Debian's PostgreSQL packages, with a folder per major version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// A start is retried on another port, because another process may take the free port before PostgreSQL does.
const MAX_START_ATTEMPTS: u32 = 3;
/// Stops the server and removes its folder when its standard input closes, which is when the test process exits, panics
/// or is killed.
const WATCHDOG: &str = r#"cat >/dev/null; "$0" --pgdata "$1/data" --mode immediate stop; rm -rf "$1""#;

/// A running server.
pub struct Postgres {
    url: String,
    /// `None` for a server that was not started here.
    _watchdog: Option<Child>,
}

impl Postgres {
    /// The server that all tests of this process share. The first call starts it.
    ///
    /// # Errors
    ///
    /// If PostgreSQL is not installed or does not start.
    pub async fn shared() -> anyhow::Result<&'static Self> {
        static SHARED: OnceCell<Postgres> = OnceCell::const_new();
        SHARED
            .get_or_try_init(async || match env::var(URL_VARIABLE) {
                Ok(url) => Ok(Self { url, _watchdog: None }),
                Err(_) => tokio::task::spawn_blocking(Self::start).await?,
            })
            .await
    }

    /// Starts a server.
    ///
    /// # Errors
    ///
    /// If PostgreSQL is not installed or does not start.
    pub fn start() -> anyhow::Result<Self> {
        let binaries = Binaries::find()?;
        let folder = binaries.make_folder()?;
        let watchdog = binaries.watch(&folder)?;
        binaries.initialise(&folder)?;
        let mut attempt = 1;
        let port = loop {
            let port = free_port();
            match binaries.start(&folder, port) {
                Ok(()) => break port,
                Err(_) if attempt < MAX_START_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        };
        Ok(Self { url: format!("postgres://postgres@127.0.0.1:{port}/postgres"), _watchdog: Some(watchdog) })
    }

    /// The URL of the server's maintenance database, for statements that cannot run inside the database under test.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Creates an empty database and returns its URL. On a server that was not started here, the database is not removed.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or refuses.
    pub async fn create_database(&self, name: &str) -> anyhow::Result<String> {
        ensure!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
            "{name:?} is not a plain database name"
        );
        let mut connection = PgConnection::connect(&self.url).await.context("connecting to PostgreSQL")?;
        let (drop, create) = (format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}"));
        connection.execute(sqlx::AssertSqlSafe(drop)).await?;
        connection.execute(sqlx::AssertSqlSafe(create)).await?;
        connection.close().await?;
        let (address, query) =
            self.url.split_once('?').map_or((self.url.as_str(), None), |(a, q)| (a, Some(q)));
        let server = address.rsplit_once('/').map_or(address, |(server, _)| server);
        Ok(format!("{server}/{name}{}", query.map(|query| format!("?{query}")).unwrap_or_default()))
    }
}

/// PostgreSQL's programs, and the user that runs them.
struct Binaries {
    folder: PathBuf,
    /// PostgreSQL refuses to run as root.
    as_other_user: bool,
}

impl Binaries {
    fn find() -> anyhow::Result<Self> {
        let as_other_user = run(Command::new("id").arg("-u"))?.trim() == "0";
        let on_path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>());
        let installed = Path::new(VERSIONS).read_dir().into_iter().flatten().flatten();
        on_path
            .into_iter()
            .flatten()
            .chain(installed.map(|version| version.path().join("bin")))
            .find(|folder| folder.join("initdb").exists() && folder.join("pg_ctl").exists())
            .map(|folder| Self { folder, as_other_user })
            .with_context(|| {
                format!(
                    "PostgreSQL's initdb and pg_ctl are neither on PATH nor under {VERSIONS}; run `make test-tools`, \
                     or set {URL_VARIABLE} to a server whose user may create databases"
                )
            })
    }

    /// The folder belongs to the user that runs the server. Its path is short, as the path of a socket must be.
    fn make_folder(&self) -> anyhow::Result<PathBuf> {
        let template = env::temp_dir().join("inrush-postgres-XXXXXX");
        let folder = run(self.command("mktemp").arg("-d").arg(template))?;
        Ok(PathBuf::from(folder.trim()))
    }

    fn watch(&self, folder: &Path) -> anyhow::Result<Child> {
        self.command("sh")
            .args(["-c", WATCHDOG])
            .arg(self.folder.join("pg_ctl"))
            .arg(folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start the shell that stops PostgreSQL")
    }

    fn initialise(&self, folder: &Path) -> anyhow::Result<()> {
        let mut initdb = self.command(self.folder.join("initdb"));
        initdb
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg("--pgdata")
            .arg(folder.join("data"));
        run(&mut initdb).map(drop)
    }

    /// Returns once the server responds. Tests do not need durability.
    fn start(&self, folder: &Path, port: u16) -> anyhow::Result<()> {
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={} -c fsync=off \
             -c full_page_writes=off -c max_connections=100",
            folder.display()
        );
        let log = folder.join("log");
        let mut start = self.command(self.folder.join("pg_ctl"));
        start
            .args(["--wait", "--silent", "--pgdata"])
            .arg(folder.join("data"))
            .arg("--log")
            .arg(&log)
            .args(["--options", &options, "start"])
            // The server inherits these, and a pipe would stay open for as long as it runs.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let status = start.current_dir("/").status().context("running pg_ctl")?;
        if !status.success() {
            let log = std::fs::read_to_string(log).unwrap_or_default();
            bail!("PostgreSQL did not start on port {port}:\n{log}");
        }
        Ok(())
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        if self.as_other_user {
            let mut command = Command::new("runuser");
            command.args(["-u", "nobody", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        }
    }
}

fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {:?}", command.get_program()))?;
    ensure!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
