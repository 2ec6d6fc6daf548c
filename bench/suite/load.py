"""Load: unary calls by the project's own tool and by its peers, with what they cost whom."""

import json
import os
import re
import tempfile
from dataclasses import dataclass

from . import tools
from .problem import Problem
from .processes import run

# The empty unary call that everything is measured against.
EMPTY = "grpc.health.v1.Health/Check"
ENQUEUE = "inrush.v1.QueueService/Enqueue"
POLL_STATUS = "inrush.v1.QueueService/PollStatus"

# Enough that batches form as they do in a rush: each core has one batch under way and the next one waiting.
IN_FLIGHT = 512
# Enough that a server with a listener on each core gets about as many on each; two could both end on one.
CONNECTIONS = 16
ENDS_WITHIN = 300

# An empty gRPC message: not compressed, of length 0.
EMPTY_MESSAGE = bytes(5)


@dataclass(frozen=True)
class Calls:
    """What a run of calls came to."""

    count: int
    rate: float
    # Processor time of the load tool for each call, in microseconds.
    load_us: float
    # The same of each process that was watched, by its name.
    watched_us: dict
    # Bytes that the load tool had resident at most.
    memory: int
    # The whole JSON report, where the tool makes one.
    report: dict

    def figures(self, *watched):
        """As numbers by name, for rounds: `rate`, `load_us`, and `NAME_us` of what was watched."""
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
    """A run of inrush-loadtest.

    `messages` is a file of encoded messages, each with its length in front, which are sent in turn; `watch` is
    processes by name (whatever has `cpu()`).
    """
    content = ["--binary-file", messages] if messages else ["--data", data]
    command = [executable, "call", "--insecure", "--call", method, *content, "--total", calls]
    command += ["--concurrency", in_flight, "--connections", connections, "--quiet", "--details", 0]
    command += ["--format", "json", *options, address]
    ran, watched = _watching(watch or {}, lambda: run(command, ENDS_WITHIN))
    report = json.loads(ran.output)
    if all_ok and report["statusCodeDistribution"] != {"OK": report["count"]}:
        raise Problem(f"calls failed: {report['statusCodeDistribution']} {report['errorDistribution']}")
    count = report["count"]
    return _calls(count, report["rps"], ran, watched, report)


def h2load(address, method, calls, *, body=EMPTY_MESSAGE, watch=None, in_flight=IN_FLIGHT, connections=CONNECTIONS):
    """A run of h2load, which sends one body again and again and does not look into the answers."""
    with tempfile.NamedTemporaryFile() as message:
        message.write(body)
        message.flush()
        threads = os.cpu_count()
        command = [tools.h2load(), "-n", calls, "-c", connections, "-t", threads, "-m", in_flight // connections]
        command += ["-d", message.name, "-H", "content-type: application/grpc", "-H", "te: trailers"]
        command += [f"http://{address}/{method}"]
        ran, watched = _watching(watch or {}, lambda: run(command, ENDS_WITHIN))
    if f" {calls} succeeded" not in ran.output:
        raise Problem(f"calls of h2load failed:\n{ran.output[-1000:]}")
    rate = float(re.search(r"([\d.]+) req/s", ran.output)[1])
    return _calls(calls, rate, ran, watched, {})


def _watching(watch, perform):
    before = {name: process.cpu() for name, process in watch.items()}
    ran = perform()
    return ran, {name: process.cpu() - before[name] for name, process in watch.items()}


def _calls(count, rate, ran, watched, report):
    def each(seconds):
        return seconds * 1e6 / count

    watched_us = {name: each(seconds) for name, seconds in watched.items()}
    return Calls(count, rate, each(ran.cpu), watched_us, ran.peak_memory, report)
