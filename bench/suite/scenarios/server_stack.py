"""What a call costs a front on hyper and its layers, beside the raw h2 server that it had before."""

import os
from pathlib import Path

from .. import load, workloads
from ..harness import Server
from ..measure import interleaved, ratio
from ..report import Plot, Report, Series
from ..tables import Table, number, span

TITLE = "Server stacks of a front"
EXECUTABLES = ("inrush-loadtest", "per_core", "inrush")
FORMS = {
    "full": {"rounds": 15, "calls": 100_000},
    "quick": {"rounds": 3, "calls": 30_000},
}
RAW_H2, LAYERS = "raw h2", "layers on hyper"
SOLD_OUT = "sold-out"
# The path of `per_core` as it was on raw h2: `examples/per_core.rs` built in a checkout of the last commit that had it.
RAW_H2_EXECUTABLE = "BENCH_RAW_H2"

TEXT = """
The same front on different servers, with a runtime, a listener, store connections and batchers on each core
(`server/front/examples/per_core.rs`). {in_flight} callers on {connections} connections. Times are processor time per
call; medians of {rounds} interleaved rounds, with the range of the rounds in brackets.
"""


def run(harness, form):
    stacks = {name: _stack(harness, executable) for name, executable in _executables(harness).items()}
    results = {
        call: interleaved(
            form.rounds,
            {name: lambda stack=stack: measure(harness, *stack, form.calls) for name, stack in stacks.items()},
            harness.log,
        )
        for call, measure in (("Enqueue", _enqueue), ("refusal", _refuse))
    }
    first = next(iter(stacks))
    rows = [
        [call, name, number(each["rate"].median), span(each["front_us"])]
        + [number(ratio(each["front_us"], by_name[first]["front_us"]).median), span(each["redis_us"])]
        for call, by_name in results.items()
        for name, each in by_name.items()
    ]
    columns = ("call", "server", "calls/s", "front, µs", f"front against {first}", "Redis, µs")
    series = [
        Series.of(name, list(results), [by_name[name]["front_us"] for by_name in results.values()]) for name in stacks
    ]
    return Report(
        text=TEXT.format(in_flight=load.IN_FLIGHT, connections=load.CONNECTIONS, rounds=form.rounds),
        tables=[Table(columns, rows)],
        plots=[Plot("cost", "What a call costs the front", "", "µs of processor time", series, kind="bar")],
        data=workloads.as_data(results),
    )


def _executables(harness):
    """The executable of each server."""
    raw_h2 = os.environ.get(RAW_H2_EXECUTABLE)
    before = {RAW_H2: Path(raw_h2)} if raw_h2 else {}
    return {**before, LAYERS: harness.executable("per_core")}


def _stack(harness, executable):
    redis = harness.redis()
    process = harness.server("per_core", [executable, redis.url, harness.ticket_keys()])
    address = process.startup_line()["front"].removeprefix("http://")
    return redis, Server(process, address)


def _enqueue(harness, redis, front, calls):
    redis.flush()
    harness.create_sale(front, workloads.SALE, calls)
    buyers = harness.enqueues(workloads.SALE, calls)
    return _call(harness, redis, front, calls, buyers)


def _refuse(harness, redis, front, calls):
    redis.flush()
    harness.create_sale(front, SOLD_OUT, 1)
    buyers = harness.enqueues(SOLD_OUT, calls)
    # The first of them gets the only unit, and the others fill the sold-out gate of each core.
    harness.call(front, load.ENQUEUE, calls // 10, messages=buyers)
    return _call(harness, redis, front, calls, buyers)


def _call(harness, redis, front, calls, buyers):
    watch = {"front": front, "redis": redis}
    return harness.call(front, load.ENQUEUE, calls, messages=buyers, watch=watch).metrics()
