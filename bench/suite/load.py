"""Load: unary calls by the project's own tool and by h2load, with the processor time of everything involved."""

import json
import os
import re
import tempfile
from dataclasses import dataclass

from . import tools
from .errors import BenchError
from .processes import run

# The empty unary call that is the baseline of everything.
EMPTY = "grpc.health.v1.Health/Check"
ENQUEUE = "inrush.v1.QueueService/Enqueue"
POLL_STATUS = "inrush.v1.QueueService/PollStatus"

# Enough that batches form as they do in a rush: each core has one batch in flight and the next one waiting.
IN_FLIGHT = 512
# Enough that a server with a listener per core gets about the same number on each core.
CONNECTIONS = 16
RUN_TIMEOUT = 300

# An empty gRPC message: not compressed, of length 0.
EMPTY_MESSAGE = bytes(5)


@dataclass(frozen=True)
class Calls:
    """The result of a run of calls."""

    count: int
    rate: float
    # Processor time of the load tool for each call, in microseconds.
    load_us: float
    # The same of each watched process, by name.
    watched_us: dict
    # Peak resident memory of the load tool, in bytes.
    memory: int
    # The whole JSON report, if the tool makes one.
    report: dict

    def metrics(self, *watched):
        """Numbers by name: `rate`, `load_us`, and `NAME_us` of each watched process."""
        names = watched or self.watched_us
        return {"rate": self.rate, "load_us": self.load_us, **{f"{name}_us": self.watched_us[name] for name in names}}

    def quantile_ms(self, name):
        """A quantile of the latency from the planned time (`p50`, `p99`, `p99.9` …), in milliseconds."""
        return self.report["inrush"]["ok"]["from_planned"]["percentiles"][name] / 1e6


def call(
    executable,
    address,
    method,
    calls,
    *,
    data="{}",
    messages=None,
    watch=None,
    in_flight=IN_FLIGHT,
    connections=CONNECTIONS,
    options=(),
    all_ok=True,
):
    """Runs inrush-loadtest.

    `messages` is a file of encoded, length-prefixed messages, which are sent in turn. `watch` is processes by name
    (anything with a `cpu()`).
    """
    content = ["--binary-file", messages] if messages else ["--data", data]
    command = [executable, "call", "--insecure", "--call", method, *content, "--total", calls]
    command += ["--concurrency", in_flight, "--connections", connections, "--quiet", "--details", 0]
    command += ["--format", "json", *options, address]
    completed, watched = _watching(watch or {}, lambda: run(command, RUN_TIMEOUT))
    report = json.loads(completed.output)
    if all_ok and report["statusCodeDistribution"] != {"OK": report["count"]}:
        raise BenchError(f"calls failed: {report['statusCodeDistribution']} {report['errorDistribution']}")
    count = report["count"]
    return _calls(count, report["rps"], completed, watched, report)


def h2load(address, method, calls, *, body=EMPTY_MESSAGE, watch=None, in_flight=IN_FLIGHT, connections=CONNECTIONS):
    """Runs h2load, which sends one body repeatedly and does not parse the responses."""
    with tempfile.NamedTemporaryFile() as message:
        message.write(body)
        message.flush()
        threads = os.cpu_count()
        command = [tools.h2load(), "-n", calls, "-c", connections, "-t", threads, "-m", in_flight // connections]
        command += ["-d", message.name, "-H", "content-type: application/grpc", "-H", "te: trailers"]
        command += [f"http://{address}/{method}"]
        completed, watched = _watching(watch or {}, lambda: run(command, RUN_TIMEOUT))
    if f" {calls} succeeded" not in completed.output:
        raise BenchError(f"calls of h2load failed:\n{completed.output[-1000:]}")
    rate = float(re.search(r"([\d.]+) req/s", completed.output)[1])
    return _calls(calls, rate, completed, watched, {})


def _watching(watch, perform):
    before = {name: process.cpu() for name, process in watch.items()}
    completed = perform()
    return completed, {name: process.cpu() - before[name] for name, process in watch.items()}


def _calls(count, rate, completed, watched, report):
    def each(seconds):
        return seconds * 1e6 / count

    watched_us = {name: each(seconds) for name, seconds in watched.items()}
    return Calls(count, rate, each(completed.cpu), watched_us, completed.peak_memory, report)
