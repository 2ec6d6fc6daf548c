//! A folder with the files that command lines refer to.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::RwLockReadGuard,
};

use prost_reflect::DescriptorPool;
use tempfile::TempDir;

use super::Certificates;
use crate::machine;

/// The binary under test.
const TOOL: &str = env!("CARGO_BIN_EXE_inrush-loadtest");

/// The folder of the definitions.
const PROTOS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/protos");

/// All definitions.
pub(crate) fn compiled() -> DescriptorPool {
    let root = Path::new(PROTOS);
    let includes = ["", "protos", "testdata", "shared", "shop"].map(|folder| root.join(folder));
    let mut compiler = protox::Compiler::new(includes).unwrap();
    compiler.include_imports(true);
    for file in ["greeter.proto", "route_guide.proto", "bytes.proto", "wrapped.proto", "shop.proto"] {
        compiler.open_file(file).unwrap();
    }
    compiler.descriptor_pool()
}

/// A folder that is deleted at the end of the test. While it exists, no other test holds the machine exclusively.
pub(crate) struct Folder {
    folder: TempDir,
    _machine: RwLockReadGuard<'static, ()>,
}

impl Folder {
    /// A folder with all definitions, compiled definitions, and certificates.
    pub(crate) fn new(certificates: &Certificates) -> Self {
        let folder = Self { folder: TempDir::new().unwrap(), _machine: machine::shared() };
        copy(Path::new(PROTOS), folder.path());
        folder.write("bundle.protoset", &compiled().encode_to_vec());
        folder.write("ca.pem", certificates.authority.as_bytes());
        folder.write("client.pem", certificates.client.0.as_bytes());
        folder.write("client.key", certificates.client.1.as_bytes());
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Runs a shell script in the folder, in which `ghz` is the load tool. The system trusts the certificate authority of the
    /// folder.
    pub(crate) fn run(&self, script: &str, input: &[u8]) -> Output {
        let script = format!("ghz() {{ \"$TOOL\" \"$@\"; }}\n{script}");
        let mut shell = Command::new("sh")
            .args(["-c", &script])
            .current_dir(self.path())
            .env("TOOL", TOOL)
            .env("SSL_CERT_FILE", self.path().join("ca.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A program that does not read its input may already have exited.
        let _ = shell.stdin.take().unwrap().write_all(input);
        shell.wait_with_output().unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
