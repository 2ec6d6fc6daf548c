"""How busy fulfilment keeps an order system of a known capacity, at latencies from 0.1 ms to 1 s."""

import json

from ..measure import interleaved
from ..report import Plot, Report, Series
from ..tables import Table, number, span

TITLE = "Utilisation of the order system at any latency"
EXECUTABLES = ("inrush-bench",)
CAPACITY = 10_000
# Latency in milliseconds, and seconds of a run: the limit needs some round trips to grow to 10,000.
FORMS = {
    "full": {"rounds": 2, "latencies": {0.1: 7, 1: 7, 10: 7, 100: 10, 1_000: 22}, "knee_seconds": 14},
    "quick": {"rounds": 1, "latencies": {1: 6, 100: 8}, "knee_seconds": 10},
}
# What was there before: a limit that stays where it is.
FIXED = 1_024
# What comes last is what has been found; the way there is in the plot.
SETTLED = 5
# An order system that is slower for each entry the more it has: 50 concurrently in 20 ms, 2.5 times as long with 100 of them.
DEGRADES = {"at_once": 50, "micros": 20_000, "degrades": 1.3}


def run(harness, form):
    redis = harness.redis()
    rates = {}

    def found(at_once, micros, seconds, name, degrades=0.0, limits=()):
        redis.flush()
        capacity = at_once / micros * 1e6
        harness.fill(redis, "line", int(capacity * (seconds + 2)))
        command = ["order-stream", "--store", redis.url, "--seconds", seconds, "--at-once", at_once]
        command += ["--micros", micros, "--degrades", degrades, *limits]
        seen = json.loads(harness.run("inrush-bench", *command).output)
        rates[name] = [rate / capacity for rate in seen["rates"]]
        last = seen["rates"][-SETTLED:]
        return {
            "share": sum(last) / len(last) / capacity,
            "busy_after": _busy_after(rates[name]),
            "limit": seen["limits"][-1],
        }

    fixed = ("--ceiling", FIXED, "--floor", FIXED)
    measurements = {}
    for latency, seconds in form.latencies.items():
        micros = int(latency * 1_000)
        at_once = CAPACITY * micros // 1_000_000
        for way, limits in (("found", ()), ("fixed", fixed)):
            name = f"{latency:g} ms, {way}"
            measurements[name] = lambda a=at_once, m=micros, s=seconds, n=name, o=limits: found(a, m, s, n, limits=o)
    knee = DEGRADES | {"seconds": form.knee_seconds}
    measurements["degrades, found"] = lambda: found(**knee, name="degrades, found")
    measurements["degrades, fixed"] = lambda: found(**knee, name="degrades, fixed", limits=fixed)
    results = interleaved(form.rounds, measurements, harness.log)
    return Report(
        text=(
            f"An order system with a capacity of {CAPACITY:,} entries per second: it processes as many entries"
            " concurrently as this takes at each latency, in the order of arrival. Its queue is unbounded. `share` is"
            f" the part of the capacity that was used in the last {SETTLED} seconds of a run. `found` uses the"
            f" in-flight limit that fulfilment finds with default settings, `fixed` a limit of {FIXED:,}."
            " `degrades` is an order system that processes 50 entries concurrently in 20 ms each, and more of them"
            f" more slowly, as a thread pool or a thrashing database does. Medians of {form.rounds} interleaved"
            " rounds."
        ),
        tables=[_table(results)],
        plots=_plots(form, results, rates),
        data={name: {key: each.as_data() for key, each in metrics.items()} for name, metrics in results.items()},
        notes=(
            "The limit doubles while that increases the rate. From its start at 256 it therefore takes a"
            " little more than one latency per doubling. For an order system that is known to be slow, set a"
            " higher `min_concurrency`, from which the search starts."
        ),
    )


def _busy_after(rates):
    """After how many seconds nine tenths of the capacity were used for the first time."""
    return next((second + 1 for second, rate in enumerate(rates) if rate >= 0.9), len(rates) + 1)


def _table(results):
    rows = [
        [name, span(each["share"]), number(each["busy_after"].median), number(each["limit"].median)]
        for name, each in results.items()
    ]
    columns = ("latency, limit", "share of capacity", "0.9 reached in second", "limit at the end")
    return Table(columns, rows)


def _plots(form, results, rates):
    names = [f"{latency:g}" for latency in form.latencies]
    shares = [
        Series.of(way, names, [results[f"{latency:g} ms, {way}"]["share"] for latency in form.latencies])
        for way in ("found", "fixed")
    ]
    ways = [
        Series(name, list(range(1, len(rates[name]) + 1)), rates[name])
        for name in (*(f"{latency:g} ms, found" for latency in list(form.latencies)[-2:]), "degrades, found")
    ]
    return [
        Plot(
            "share", "Share of the order system's capacity that is used", "latency, ms", "share of capacity", shares,
            kind="bar", limit=0.95, limit_label="budget",
        ),
        Plot("way", "From the start", "second", "share of capacity", ways, on_page=True),
    ]
