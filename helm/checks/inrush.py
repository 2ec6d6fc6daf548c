"""The real binaries, and processes that are stopped at the end of a check."""

import contextlib
import functools
import json
import os
import selectors
import subprocess
import tempfile
import time
from pathlib import Path

from .paths import ROOT

# Timeout of a process to start, or of a command to exit, on a busy machine.
TIMEOUT = 60


@functools.cache
def binary(name="inrush"):
    """The path of a binary; built as by `cargo test` if it does not exist."""
    path = ROOT / "target" / "debug" / name
    if not path.exists():
        subprocess.run(["cargo", "build", "--workspace", "--bins"], cwd=ROOT, check=True)
    return path


def run(*arguments, program="inrush", environment=None):
    """Runs a command until it exits, without the `INRUSH_*` variables of the caller."""
    command = [binary(program), *map(str, arguments)]
    return subprocess.run(command, env=_environment(environment), capture_output=True, text=True, timeout=TIMEOUT, check=False)


@contextlib.contextmanager
def serving(*arguments, environment=None):
    """A running server; yields the addresses that it prints with --json. It is terminated at the end, and killed after a timeout."""
    command = [binary(), *map(str, arguments), "--json"]
    with open(os.devnull, "w") as nowhere:
        process = subprocess.Popen(command, env=_environment(environment), stdout=subprocess.PIPE, stderr=nowhere, text=True)
    try:
        yield json.loads(_announcement(process))
    finally:
        process.terminate()
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


@contextlib.contextmanager
def redis(*settings):
    """Starts a Redis; yields the URL of its socket."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        program = os.environ.get("INRUSH_TEST_REDIS_SERVER", "redis-server")
        command = [program, "--port", "0", "--unixsocket", socket, "--save", "", "--dir", folder, *settings]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield f"unix://{socket}"
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def cluster():
    """Two fronts, an order system, a fulfilment and a Redis, as separate processes; yields the addresses of each."""
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(redis())
        shared = {"INRUSH_STORE_URL": store, "INRUSH_ADMIN_LISTEN": "127.0.0.1:0"}
        keys = {"INRUSH_TICKETS_KEYS": run("ticket", "new-key").stdout.strip()}

        def start(*arguments):
            return stack.enter_context(serving(*arguments, environment=shared | (keys if arguments[0] == "front" else {})))

        fronts = [start("front", "--listen", "127.0.0.1:0") for _ in range(2)]
        orders = start("orders", "--listen", "127.0.0.1:0", "--front", fronts[0]["front"])
        fulfilment = start("fulfilment", "--orders", orders["orders"])
        yield {"front-1": fronts[0], "front-2": fronts[1], "orders": orders, "fulfilment": fulfilment}


def _announcement(process):
    """The JSON object that the process prints when it serves."""
    text = ""
    end = time.monotonic() + TIMEOUT
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while time.monotonic() < end and process.poll() is None:
            if selector.select(timeout=1):
                text += process.stdout.readline()
                with contextlib.suppress(json.JSONDecodeError):
                    json.loads(text)
                    return text
    raise AssertionError(f"{process.args[1]} did not start: {text}")


def _environment(more):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("INRUSH_")}
    return inherited | (more or {})
