"""What the layers and the codec of a front cost: raw h2, hyper with the thin codec, hyper with tonic's services."""

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
RAW_H2, THIN, TONIC = "raw h2", "hyper, thin codec", "hyper, tonic's services"
SOLD_OUT = "sold-out"
# The path of `per_core` as it was on raw h2: `examples/per_core.rs` built in a checkout of the last commit that had it.
RAW_H2_EXECUTABLE = "INRUSH_BENCH_RAW_H2"

# A call that says how its messages may be compressed is answered by tonic's service. The others get a header of that size.
ENCODING = ("--metadata", '{"grpc-encoding":"identity"}')
PADDING = ("--metadata", '{"grpc-padding":" identity"}')

TEXT = """
The same front on different servers, with a runtime, a listener, store connections and batchers on each core
(`server/front/examples/per_core.rs`). {in_flight} callers on {connections} connections. Times are processor time per
call; medians of {rounds} interleaved rounds, with the range of the rounds in brackets.
"""


def run(harness, form):
    stacks = {name: _stack(harness, *parts) for name, parts in _parts(harness).items()}
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


def _parts(harness):
    """Executable and options of the load for each stack."""
    present = harness.executable("per_core")
    stacks = {THIN: (present, PADDING), TONIC: (present, ENCODING)}
    raw_h2 = os.environ.get(RAW_H2_EXECUTABLE)
    return {RAW_H2: (Path(raw_h2), PADDING), **stacks} if raw_h2 else stacks


def _stack(harness, executable, options):
    redis = harness.redis()
    process = harness.server("per_core", [executable, redis.url, harness.ticket_keys()])
    address = process.startup_line()["front"].removeprefix("http://")
    return redis, Server(process, address), options


def _enqueue(harness, redis, front, options, calls):
    redis.flush()
    harness.create_sale(front, workloads.SALE, calls)
    buyers = harness.enqueues(workloads.SALE, calls)
    return _call(harness, redis, front, options, calls, buyers)


def _refuse(harness, redis, front, options, calls):
    redis.flush()
    harness.create_sale(front, SOLD_OUT, 1)
    buyers = harness.enqueues(SOLD_OUT, calls)
    # The first of them gets the only unit, and the others fill the sold-out gate of each core.
    harness.call(front, load.ENQUEUE, calls // 10, messages=buyers)
    return _call(harness, redis, front, options, calls, buyers)


def _call(harness, redis, front, options, calls, buyers):
    watch = {"front": front, "redis": redis}
    return harness.call(front, load.ENQUEUE, calls, messages=buyers, watch=watch, options=options).metrics()
