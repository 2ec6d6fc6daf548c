//! Processes of the real `inrush` binary.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::process::TestProcess;

/// The binary, built with the same profile as the running test.
///
/// # Panics
/// If it does not build.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let test = env::current_exe().expect("the path of the running test");
        let folder = test.parent().expect("a program is in a folder");
        // Tests are in target/PROFILE/deps, other programs in target/PROFILE.
        let profile = folder.parent().filter(|_| folder.ends_with("deps")).unwrap_or(folder);
        // Built as `cargo test --workspace` builds it, with the features of the whole workspace, so that this command
        // has nothing left to do after it.
        let mut build = Command::new(env!("CARGO"));
        build.args(["test", "--quiet", "--workspace", "--no-run", "--test", "cli"]);
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let built = build.status().expect("cargo can be run");
        assert!(built.success(), "the inrush binary does not build");
        profile.join("inrush")
    })
}

/// Starts `inrush ARGUMENTS`. It does not inherit the `INRUSH_*` variables of the test.
///
/// # Panics
/// If it cannot be started.
pub fn start(arguments: &[&str], variables: &[(&str, &str)]) -> TestProcess {
    let mut command = Command::new(binary());
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("INRUSH_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(variables.iter().copied());
    TestProcess::start(arguments.first().copied().unwrap_or("inrush"), command, &[])
}
