"""The servers and the load that scenarios measure with. Servers are stopped when the scenario ends."""

import contextlib
import json
import tempfile
from pathlib import Path

from . import load, messages, processes, tools
from .processes import Process
from .redis import Redis, free_port

# Telemetry stays on, as it is by default. The admin port and informational log lines are not needed.
QUIET = ("--admin-listen", "off", "--log-level", "warn")


class Server:
    """A process that serves at an address."""

    def __init__(self, process, address):
        self.process = process
        self.address = address

    @property
    def pid(self):
        return self.process.pid

    def cpu(self):
        """Its processor time so far, in seconds."""
        return self.process.cpu()

    def peak_memory(self):
        return self.process.peak_memory()

    def memory(self):
        return self.process.memory()

    def stop(self):
        self.process.stop()


class Harness(contextlib.ExitStack):
    """Starts servers, and stops them on exit, also after an error.

    `with harness.scope() as scope:` makes a harness whose servers are stopped earlier. `harness.folder` is a temporary
    folder for files of the run. `harness.log(text)` shows progress.
    """

    def __init__(self, executables, log):
        super().__init__()
        self.executables = executables
        self.log = log

    def __enter__(self):
        super().__enter__()
        self.folder = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="inrush-bench-")))
        return self

    def scope(self):
        """A nested harness, which stops its servers on its own exit."""
        return Harness(self.executables, self.log)

    def executable(self, name):
        """The path of one of the executables in build.py."""
        return self.executables.path(name)

    # --- Servers --------------------------------------------------------------------------------------------------

    def redis(self, *options):
        """A Redis without persistence, unless options (`"--appendonly", "yes"`) say otherwise."""
        return self._stop_on_exit(Redis(options))

    def echo(self, runtime="multi"):
        """Stock tonic with an empty unary call (load.EMPTY), on its `multi` runtime or `per-core`."""
        return self._serve(f"echo {runtime}", ["echo", "--runtime", runtime])

    def one_script(self, redis):
        """A front that runs one script for each Enqueue."""
        return self._serve("one-script", ["one-script", "--store", redis.url])

    def front(self, redis, *options, environment=None):
        """A front node with default settings on all cores."""
        command = ["front", "--store", redis.url, "--listen", "127.0.0.1:0", *QUIET]
        command += ["--ticket-keys-file", self.ticket_keys(), "--json", *options]
        process = self._start("front", [self.executable("inrush"), *command], environment)
        address = process.startup_line()["front"].removeprefix("http://")
        return Server(process, address)

    def orders(self, *options):
        """The bundled order system."""
        command = ["orders", "--listen", "127.0.0.1:0", *QUIET, "--json", *options]
        process = self._start("orders", [self.executable("inrush"), *command])
        return Server(process, process.startup_line()["orders"].removeprefix("http://"))

    def fulfilment(self, redis, orders, *options, environment=None):
        """Fulfilment between a store and an order system (a Server)."""
        command = ["fulfilment", "--store", redis.url, "--orders", f"http://{orders.address}"]
        command += [*QUIET, *options]
        return self._start("fulfilment", [self.executable("inrush"), *command], environment)

    def nats(self):
        """A NATS server with JetStream."""
        port = free_port()
        command = [tools.nats_server(), "--addr", "127.0.0.1", "--port", port]
        process = self._start("nats-server", [*command, "--jetstream", "--store_dir", self.folder])
        process.wait_for("readiness", lambda: "Server is ready" in process.output())
        return Server(process, f"127.0.0.1:{port}")

    def server(self, name, command, environment=None):
        """Any process; `.startup_line()` reads the first line it prints as JSON."""
        return self._start(name, command, environment)

    def _serve(self, name, command):
        process = self._start(name, [self.executable("inrush-bench"), *command])
        return Server(process, process.startup_line()["listen"])

    def _start(self, name, command, environment=None):
        return self._stop_on_exit(Process(name, command, environment))

    def _stop_on_exit(self, stoppable):
        self.callback(stoppable.stop)
        return stoppable

    # --- Sales ----------------------------------------------------------------------------------------------------

    def ticket_keys(self):
        """A file with a key that signs tickets. All fronts of this harness share it."""
        path = self.folder / "ticket.keys"
        if not path.exists():
            self.run("inrush", "ticket", "new-key", "--out", path)
        return path

    def create_sale(self, front, sale, stock, *options):
        """Creates a sale through a front."""
        self.sale(front, "create", sale, "--stock", stock, *options)

    def sale(self, front, *words):
        """Runs `inrush sale …` against a front. Returns its JSON output."""
        completed = self.run("inrush", "sale", *words, "--server", f"http://{front.address}", "--json")
        return json.loads(completed.output)

    def enqueues(self, sale, count, first=0, payload=b""):
        """A file of `count` EnqueueRequests, one per buyer from number `first` on, for `call(…, messages=…)`."""
        path = self.folder / f"enqueue-{sale}-{first}-{count}-{len(payload)}"
        return path if path.exists() else messages.write_enqueues(path, sale, count, first, payload)

    def fill(self, redis, sale, tickets, *options, polls=None, poll_count=100_000):
        """Creates a sale with waiting tickets directly in the store. `polls` is a file for PollStatusRequests."""
        command = ["fill", "--store", redis.url, "--sale", sale, "--tickets", tickets, *options]
        if polls:
            command += ["--polls", polls, "--poll-count", poll_count, "--keys", self.ticket_keys()]
        self.run("inrush-bench", *command)
        return polls

    # --- Load -----------------------------------------------------------------------------------------------------

    def call(self, server, method, calls, **options):
        """Runs the load tool against a server; see load.call."""
        return load.call(self.executable("inrush-loadtest"), server.address, method, calls, **options)

    def h2load(self, server, method, calls, **options):
        """Runs h2load against a server; see load.h2load."""
        return load.h2load(server.address, method, calls, **options)

    def run(self, executable, *words, timeout=load.RUN_TIMEOUT, environment=None, expected=(0,)):
        """Runs one of the executables to completion."""
        return processes.run([self.executable(executable), *words], timeout, environment, expected=expected)
