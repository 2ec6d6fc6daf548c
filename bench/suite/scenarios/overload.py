"""Accepted and shed calls at three times the highest rate, and the recovery after it."""

import os

from .. import load, workloads
from ..measure import interleaved
from ..report import Plot, Report, Series
from ..tables import Table, number, span

TITLE = "Overload: three times the highest rate"
EXECUTABLES = ("inrush", "inrush-loadtest")
FORMS = {
    "full": {"rounds": 3, "calls": 50_000, "seconds": 5},
    "quick": {"rounds": 1, "calls": 20_000, "seconds": 2},
}
# A front that asks Redis for one buyer at a time can bear so little that three times as much is still made and sent on
# the same machine.
SMALL = {"INRUSH_FRONT_MAX_BATCH": "1"}
MAX_WAIT_MS = 500
PHASES = {"half of it before": 0.5, "three times": 3.0, "half of it right after": 0.5}

TEXT = """
Three rates are offered to a front for {seconds} s each: half of its highest rate, three times the highest rate, and
directly afterwards half of it again. The highest rate is what a closed loop of {in_flight} callers reaches in the
same round. The front runs one script per buyer, so that Redis and the connection to it are the limit, and not the
cores, which it shares with the load. Calls are sent at planned times over {connections} connections. Latency counts
from then, separately for accepted and refused (shed) calls. Medians of {rounds} rounds, with the range of the rounds
in brackets.
"""
NOTES = """
- A call that has waited for the store for {wait} ms (`front.max_queue_wait`) is shed, and so are calls beyond
  `front.max_in_flight`, before their message is read: with UNAVAILABLE and a RetryInfo. An accepted call has
  therefore never waited longer.
- *Cores* is the number of cores that each process kept busy. Load, front and Redis share {cores}: sending three times
  the rate, and shedding, takes processor time from accepted calls, which are fewer than at the highest rate.
- If the cores are the limit, a shed call costs processor time as well: HTTP/2 alone is more than half of the cost of
  an Enqueue in the front. Calls beyond that wait in the buffers of the connections, which
  `front.http2.max_concurrent_streams` bounds.
"""


def run(harness, form):
    redis = harness.redis()
    front = harness.front(redis, environment=SMALL)
    highest = {}

    def most():
        redis.flush()
        harness.create_sale(front, workloads.SALE, form.calls)
        buyers = harness.enqueues(workloads.SALE, form.calls)
        highest["rate"] = harness.call(front, load.ENQUEUE, form.calls, messages=buyers).rate
        redis.flush()
        harness.create_sale(front, workloads.SALE, 10_000_000)
        return {"rate": highest["rate"]}

    def phase(name):
        rate = int(highest["rate"] * PHASES[name])
        calls = rate * form.seconds
        # Each phase has buyers of its own.
        first = list(PHASES).index(name) * 2_000_000
        messages = harness.enqueues(workloads.SALE, calls, first=first)
        try:
            watch = {"front": front, "redis": redis}
            done = harness.call(
                front, load.ENQUEUE, calls, messages=messages, watch=watch, options=("--rps", rate), all_ok=False
            )
        finally:
            messages.unlink()
        return _metrics(done)

    ways = {"highest": most, **{name: lambda name=name: phase(name) for name in PHASES}}
    results = interleaved(form.rounds, ways, harness.log)
    columns = ("offered", "calls/s", "accepted/s", "refused/s", "accepted: p50, ms", "p99, ms", "refused: p99, ms")
    columns += ("unsent", "cores: front", "Redis", "load")
    rows = [_row(name, results[name]) for name in PHASES]
    series = [
        Series.of(shown, list(PHASES), [results[name][key] for name in PHASES])
        for shown, key in (("accepted", "accepted"), ("refused", "refused"))
    ]
    text = TEXT.format(
        in_flight=load.IN_FLIGHT, seconds=form.seconds, connections=load.CONNECTIONS, rounds=form.rounds
    )
    return Report(
        text=f"{text}\nThe highest rate: {span(results['highest']['rate'])} calls/s.",
        tables=[Table(columns, rows)],
        plots=[Plot("rates", "Accepted and refused", "offered, of the highest rate", "calls/s", series, kind="bar")],
        notes=NOTES.format(wait=MAX_WAIT_MS, cores=os.cpu_count()),
        data={"overload": workloads.as_data(results)},
    )


def _metrics(done):
    report = done.report["inrush"]
    ok, failed = report["ok"]["from_planned"], report["failed"]["from_planned"]
    seconds = done.count / done.rate
    return {
        "rate": done.rate,
        "accepted": ok["count"] / seconds,
        "refused": failed["count"] / seconds,
        "p50": _ms(ok, "p50"),
        "p99": _ms(ok, "p99"),
        "refused_p99": _ms(failed, "p99"),
        "unsent": report["unsent"],
        **{f"{name}_cores": each * done.rate / 1e6 for name, each in (*done.watched_us.items(), ("load", done.load_us))},
    }


def _ms(latencies, quantile):
    return latencies["percentiles"][quantile] / 1e6 if latencies["count"] else 0


def _row(name, metrics):
    rates = [number(metrics[key].median) for key in ("rate", "accepted", "refused")]
    times = [span(metrics[key]) for key in ("p50", "p99", "refused_p99")]
    rest = [number(metrics[key].median) for key in ("unsent", "front_cores", "redis_cores", "load_cores")]
    return [name, *rates, *times, *rest]
