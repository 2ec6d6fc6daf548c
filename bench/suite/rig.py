"""What scenarios measure with: servers that are started and stopped for them, and load."""

import contextlib
import json
import tempfile
from pathlib import Path

from . import load, messages, processes, tools
from .processes import Process
from .redis import Redis, free_port

# Telemetry stays on as it is by default; what nobody looks at here is the admin port, and the log of a good day.
QUIETLY = ("--admin-listen", "off", "--log-level", "warn")


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


class Rig(contextlib.ExitStack):
    """Starts servers, which are stopped when it is left, however that happens.

    `with rig.part() as part:` makes a rig whose servers are stopped earlier. `rig.folder` is a folder for files of the
    run. `rig.tell(text)` shows progress.
    """

    def __init__(self, executables, tell):
        super().__init__()
        self.executables = executables
        self.tell = tell

    def __enter__(self):
        super().__enter__()
        self.folder = Path(self.enter_context(tempfile.TemporaryDirectory(prefix="inrush-bench-")))
        return self

    def part(self):
        """Another rig, whose servers live shorter."""
        return Rig(self.executables, self.tell)

    def executable(self, name):
        """The path of one of the executables in build.py."""
        return self.executables.path(name)

    # --- Servers --------------------------------------------------------------------------------------------------

    def redis(self, *options):
        """A Redis without persistence, unless options (`"--appendonly", "yes"`) say otherwise."""
        return self._keep(Redis(options))

    def echo(self, runtime="multi"):
        """Stock tonic with an empty unary call (load.EMPTY), on its `multi` runtime or `per-core`."""
        return self._serve(f"echo {runtime}", ["echo", "--runtime", runtime])

    def one_script(self, redis):
        """A front that runs one script for each Enqueue."""
        return self._serve("one-script", ["one-script", "--store", redis.url])

    def front(self, redis, *options, environment=None):
        """A front node with default settings on all cores."""
        command = ["front", "--store", redis.url, "--listen", "127.0.0.1:0", *QUIETLY]
        command += ["--ticket-keys-file", self.ticket_keys(), "--json", *options]
        process = self._start("front", [self.executable("inrush"), *command], environment)
        address = process.announcement()["front"].removeprefix("http://")
        return Server(process, address)

    def orders(self, *options):
        """The bundled order system."""
        command = ["orders", "--listen", "127.0.0.1:0", *QUIETLY, "--json", *options]
        process = self._start("orders", [self.executable("inrush"), *command])
        return Server(process, process.announcement()["orders"].removeprefix("http://"))

    def fulfilment(self, redis, orders, *options, environment=None):
        """Fulfilment between a store and an order system (a Server)."""
        command = ["fulfilment", "--store", redis.url, "--orders", f"http://{orders.address}"]
        command += [*QUIETLY, *options]
        return self._start("fulfilment", [self.executable("inrush"), *command], environment)

    def nats(self):
        """A NATS server with JetStream."""
        port = free_port()
        command = [tools.nats_server(), "--addr", "127.0.0.1", "--port", port]
        process = self._start("nats-server", [*command, "--jetstream", "--store_dir", self.folder])
        process.wait_for("readiness", lambda: "Server is ready" in process.output())
        return Server(process, f"127.0.0.1:{port}")

    def server(self, name, command, environment=None):
        """Any process; `.announcement()` reads the first line it prints as JSON."""
        return self._start(name, command, environment)

    def _serve(self, name, command):
        process = self._start(name, [self.executable("inrush-bench"), *command])
        return Server(process, process.announcement()["listen"])

    def _start(self, name, command, environment=None):
        return self._keep(Process(name, command, environment))

    def _keep(self, stoppable):
        self.callback(stoppable.stop)
        return stoppable

    # --- Sales ----------------------------------------------------------------------------------------------------

    def ticket_keys(self):
        """A file with a key that signs tickets, the same for all of this rig."""
        path = self.folder / "ticket.keys"
        if not path.exists():
            self.run("inrush", "ticket", "new-key", "--out", path)
        return path

    def create_sale(self, front, sale, stock, *options):
        """Creates a sale by a front."""
        self.sale(front, "create", sale, "--stock", stock, *options)

    def sale(self, front, *words):
        """`inrush sale …` at a front; what it answers."""
        ran = self.run("inrush", "sale", *words, "--server", f"http://{front.address}", "--json")
        return json.loads(ran.output)

    def enqueues(self, sale, count, first=0, payload=b""):
        """A file of EnqueueRequests of so many buyers, from a first on, for `call(…, messages=…)`."""
        path = self.folder / f"enqueue-{sale}-{first}-{count}-{len(payload)}"
        return path if path.exists() else messages.write_enqueues(path, sale, count, first, payload)

    def fill(self, redis, sale, tickets, *options, polls=None, poll_count=100_000):
        """Creates a sale in which so many wait, through the store; `polls` is a file for PollStatusRequests."""
        command = ["fill", "--store", redis.url, "--sale", sale, "--tickets", tickets, *options]
        if polls:
            command += ["--polls", polls, "--poll-count", poll_count, "--keys", self.ticket_keys()]
        self.run("inrush-bench", *command)
        return polls

    # --- Load -----------------------------------------------------------------------------------------------------

    def call(self, server, method, calls, **how):
        """A run of the load tool against a server; see load.call."""
        return load.call(self.executable("inrush-loadtest"), server.address, method, calls, **how)

    def h2load(self, server, method, calls, **how):
        """A run of h2load against a server; see load.h2load."""
        return load.h2load(server.address, method, calls, **how)

    def run(self, executable, *words, timeout=load.ENDS_WITHIN, environment=None, expected=(0,)):
        """One of the executables to its end."""
        return processes.run([self.executable(executable), *words], timeout, environment, expected=expected)
