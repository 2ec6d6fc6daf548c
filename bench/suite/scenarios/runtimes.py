"""A runtime on each core, or one for all of them."""

from .. import load, workloads
from ..measure import interleaved, ratio
from ..report import Plot, Report, Series
from ..harness import Server
from ..tables import Table, number, span

TITLE = "A runtime per core, or one runtime for all cores"
EXECUTABLES = ("inrush", "inrush-loadtest", "one_runtime")
FORMS = {
    "full": {"rounds": 5, "calls": 300_000},
    "quick": {"rounds": 1, "calls": 50_000},
}
PER_CORE, ONE = "a runtime on each core", "one runtime for all"
SOLD_OUT = "sold-out"

TEXT = """
The same front twice: with a single-threaded runtime, a listener (`SO_REUSEPORT`), store connections and batchers on
each core, as by default; and on one runtime with a thread per core, with one of each
(`server/front/examples/one_runtime.rs`). {in_flight} callers on {connections} connections. Times are processor time
per call; medians of {rounds} interleaved rounds, with the range of the rounds in brackets.
"""


def run(harness, form):
    fronts = {PER_CORE: lambda redis: harness.front(redis), ONE: lambda redis: _one_runtime(harness, redis)}
    enqueues, refusals = {}, {}
    for name, start in fronts.items():
        redis = harness.redis()
        front = start(redis)
        enqueues[name] = lambda front=front, redis=redis: _enqueue(harness, front, redis, form.calls)
        refusals[name] = lambda front=front, redis=redis: _refuse(harness, front, redis, form.calls)
    results = {
        "Enqueue": interleaved(form.rounds, enqueues, harness.log),
        "refusal": interleaved(form.rounds, refusals, harness.log),
    }
    rows = [
        [call, name, number(each["rate"].median), number(ratio(each["rate"], by_name[ONE]["rate"]).median)]
        + [span(each["front_us"]), span(each["redis_us"])]
        for call, by_name in results.items()
        for name, each in by_name.items()
    ]
    columns = ("call", "front", "calls/s", "against one for all", "front, µs", "Redis, µs")
    series = [
        Series.of(name, list(results), [by_name[name]["front_us"] for by_name in results.values()]) for name in fronts
    ]
    return Report(
        text=TEXT.format(in_flight=load.IN_FLIGHT, connections=load.CONNECTIONS, rounds=form.rounds),
        tables=[Table(columns, rows)],
        plots=[Plot("cost", "What a call costs the front", "", "µs of processor time", series, kind="bar")],
        data=workloads.as_data(results),
    )


def _one_runtime(harness, redis):
    process = harness.server("one_runtime", [harness.executable("one_runtime"), redis.url, harness.ticket_keys()])
    address = process.startup_line()["front"].removeprefix("http://")
    return Server(process, address)


def _enqueue(harness, front, redis, calls):
    redis.flush()
    harness.create_sale(front, workloads.SALE, calls)
    buyers = harness.enqueues(workloads.SALE, calls)
    return harness.call(front, load.ENQUEUE, calls, messages=buyers, watch={"front": front, "redis": redis}).metrics()


def _refuse(harness, front, redis, calls):
    redis.flush()
    harness.create_sale(front, SOLD_OUT, 1)
    buyers = harness.enqueues(SOLD_OUT, calls)
    # The first of them gets the only unit, and the others fill the sold-out gate of each core.
    harness.call(front, load.ENQUEUE, calls // 10, messages=buyers)
    return harness.call(front, load.ENQUEUE, calls, messages=buyers, watch={"front": front, "redis": redis}).metrics()
