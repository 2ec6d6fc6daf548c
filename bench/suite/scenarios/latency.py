"""The latency of Enqueue at a tenth, half and nine tenths of the highest rate, from the planned time of each call."""

from .. import load, workloads
from ..measure import interleaved
from ..report import Plot, Report, Series
from ..tables import Table, number, span

TITLE = "Latency of Enqueue, from planned times"
EXECUTABLES = ("inrush", "inrush-loadtest")
FORMS = {
    "full": {"rounds": 5, "calls": 300_000, "seconds": 5},
    "quick": {"rounds": 1, "calls": 100_000, "seconds": 2},
}
PARTS = (0.1, 0.5, 0.9)
QUANTILES = ("p50", "p99", "p99.9")
PROCESSES = ("front", "redis", "load")

TEXT = """
A front on one core; load and Redis have the other. The highest rate is what a closed loop of {in_flight} callers
reaches in the same round. Then calls are sent at planned times for {seconds} s, after a second that is not counted,
whether or not earlier ones were answered. Latency counts from the planned time. {connections} connections; medians of
{rounds} interleaved rounds, with the range of the rounds in brackets.
"""
NOTES = """
Latency includes delays of the load tool itself. *Late* calls were sent more than 5 ms after their planned time.
*Refused* calls were shed by an overloaded node; latency is that of the others. *Cores* is the number of cores that
each process kept busy. If they add up to all cores, the load tool uses a core that the front needs: it spends more on
a call at a planned time than on one in a closed loop.
"""


def run(harness, form):
    redis = harness.redis()
    # On one core: the load tool needs more of the other one at planned times than in a closed loop, and nine tenths of what
    # both cores can do would be more than they can.
    front = harness.front(redis, "--cores", 1)
    highest = {}

    def most():
        metrics = _fresh(harness, redis, front, form.calls, {})
        highest["rate"] = metrics.rate
        return {"rate": metrics.rate}

    def at(part):
        rate = max(int(highest["rate"] * part), 1)
        # The second before, too, needs buyers of its own.
        options = ("--rps", rate, "--warm-up", "1s")
        options = {"options": options, "all_ok": False, "watch": {"front": front, "redis": redis}}
        done = _fresh(harness, redis, front, rate * form.seconds, options, buyers=rate * (form.seconds + 2))
        late = done.report["inrush"]["late"] / done.count
        refused = 1 - done.report["statusCodeDistribution"].get("OK", 0) / done.count
        cores = {name: each * done.rate / 1e6 for name, each in (*done.watched_us.items(), ("load", done.load_us))}
        return {"rate": done.rate, **{q: done.quantile_ms(q) for q in QUANTILES}, "late": late, "refused": refused, **cores}

    ways = {"highest": most, **{_name(part): lambda part=part: at(part) for part in PARTS}}
    results = interleaved(form.rounds, ways, harness.log)
    rows = [
        [_name(part), number(each["rate"].median), *[span(each[q]) for q in QUANTILES]]
        + [f"{each[share].median:.2%}" for share in ("late", "refused")]
        + [number(each[process].median) for process in PROCESSES]
        for part, each in ((part, results[_name(part)]) for part in PARTS)
    ]
    columns = ("of the highest rate", "calls/s", *[f"{q}, ms" for q in QUANTILES], "late", "refused", "cores: front", "Redis", "load")
    names = [_name(part) for part in PARTS]
    series = [Series.of(q, names, [results[name][q] for name in names]) for q in QUANTILES]
    title = "Latency of Enqueue, from planned times"
    plot = Plot("latency", title, "of the highest rate", "ms", series, kind="bar", y_log=True)
    text = TEXT.format(
        in_flight=load.IN_FLIGHT, seconds=form.seconds, connections=load.CONNECTIONS, rounds=form.rounds
    )
    return Report(
        text=f"{text}\nThe highest rate: {span(results['highest']['rate'])} calls/s.",
        tables=[Table(columns, rows)],
        plots=[plot],
        notes=NOTES,
        data={"latency": workloads.as_data(results)},
    )


def _name(part):
    return f"{part:.0%}"


def _fresh(harness, redis, front, calls, options, buyers=None):
    """Calls of new buyers into an empty sale with room for all of them."""
    redis.flush()
    harness.create_sale(front, workloads.SALE, buyers or calls)
    messages = harness.enqueues(workloads.SALE, buyers or calls)
    try:
        return harness.call(front, load.ENQUEUE, calls, messages=messages, **options)
    finally:
        messages.unlink()
