"""A Redis server for one scenario, and the few commands that scenarios send to it."""

import shutil
import socket
import tempfile

from .errors import BenchError
from .processes import Process

TIMEOUT = 120


def free_port():
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Redis:
    """`redis-server` without persistence, unless options say otherwise."""

    def __init__(self, options=()):
        if not shutil.which("redis-server"):
            raise BenchError("redis-server is missing: install Redis 7 or later (Debian: redis-server)")
        self.folder = tempfile.TemporaryDirectory(prefix="inrush-bench-redis-")
        self.port = free_port()
        command = ["redis-server", "--port", self.port, "--bind", "127.0.0.1", "--dir", self.folder.name]
        command += ["--save", "", "--appendonly", "no", *options]
        self.process = Process("redis-server", command)
        self.url = f"redis://127.0.0.1:{self.port}"
        self.connection = self.process.wait_for("connection", self._connect)
        self.process.wait_for("PONG", self._responds)

    def _connect(self):
        try:
            connection = socket.create_connection(("127.0.0.1", self.port), TIMEOUT)
        except ConnectionRefusedError:
            return None
        self.reader = connection.makefile("rb")
        return connection

    def _responds(self):
        try:
            return self.command("PING") == "PONG"
        except BenchError:
            return None

    @property
    def pid(self):
        return self.process.pid

    def cpu(self):
        """Its processor time so far, in seconds."""
        return self.process.cpu()

    def command(self, *words):
        """Sends a command and returns the reply."""
        encoded = [str(word).encode() for word in words]
        parts = [b"*%d\r\n" % len(encoded)] + [b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded]
        self.connection.sendall(b"".join(parts))
        return self._read_reply()

    def _read_reply(self):
        line = self.reader.readline().rstrip(b"\r\n")
        if not line:
            raise BenchError("redis-server closed the connection")
        kind, rest = line[:1], line[1:]
        if kind == b"-":
            raise BenchError(f"redis-server: {rest.decode()}")
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.reader.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self._read_reply() for _ in range(int(rest))]
        return rest.decode()

    def info(self, section):
        """A section of INFO as a dictionary of texts."""
        lines = self.command("INFO", section).splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def used_memory(self):
        """Used memory in bytes, as the allocator of Redis counts it."""
        return int(self.info("memory")["used_memory"])

    def commands(self):
        """How many commands it has run so far, by name, without those of the suite."""
        calls = {}
        for name, value in self.info("commandstats").items():
            calls[name.removeprefix("cmdstat_")] = int(value.split(",")[0].removeprefix("calls="))
        own = ("info", "ping", "flushall", "config|resetstat", "config|get", "config|set")
        return {name: count for name, count in calls.items() if name not in own}

    def flush(self):
        """Deletes all data."""
        self.command("FLUSHALL", "SYNC")

    def stop(self):
        self.connection.close()
        self.process.stop(kill=True)
        self.folder.cleanup()
