"""How long Enqueue takes at a tenth, half and nine tenths of the highest rate, from the moment when each call was due."""

from .. import load, subjects
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

TEXT = """
The highest rate is what a closed loop of {in_flight} callers reaches in the same round. Then calls come at fixed times, for
{seconds} s after a second that is not counted, whether or not earlier ones were answered; latency is counted from the moment
when a call was due. {connections} connections; medians of {rounds} interleaved rounds, and from where to where they went.
"""
REMARKS = """
Load, front and Redis share the cores: at nine tenths of what the three can do together a call also waits for its turn on
a core, and what the load tool itself is late is counted as well. *Late* are calls that it sent more than 5 ms after they were due.
*Refused* are those that found the node overloaded, where the machine became slower than it was when the highest rate was found; latency is
that of the others.
"""


def run(rig, form):
    redis = rig.redis()
    front = rig.front(redis)
    highest = {}

    def most():
        figures = _fresh(rig, redis, front, form.calls, {})
        highest["rate"] = figures.rate
        return {"rate": figures.rate}

    def at(part):
        rate = max(int(highest["rate"] * part), 1)
        # The second before, too, needs buyers of its own.
        options = ("--rps", rate, "--warm-up", "1s")
        how = {"options": options, "all_ok": False}
        done = _fresh(rig, redis, front, rate * form.seconds, how, buyers=rate * (form.seconds + 2))
        late = done.report["inrush"]["late"] / done.count
        refused = 1 - done.report["statusCodeDistribution"].get("OK", 0) / done.count
        return {"rate": done.rate, **{q: done.quantile_ms(q) for q in QUANTILES}, "late": late, "refused": refused}

    ways = {"highest": most, **{_name(part): lambda part=part: at(part) for part in PARTS}}
    taken = interleaved(form.rounds, ways, rig.tell)
    rows = [
        [_name(part), number(each["rate"].median), *[span(each[q]) for q in QUANTILES]]
        + [f"{each[share].median:.2%}" for share in ("late", "refused")]
        for part, each in ((part, taken[_name(part)]) for part in PARTS)
    ]
    columns = ("of the highest rate", "calls/s", *[f"{q}, ms" for q in QUANTILES], "late", "refused")
    names = [_name(part) for part in PARTS]
    series = [Series.of(q, names, [taken[name][q] for name in names]) for q in QUANTILES]
    title = "Latency of Enqueue, from planned times"
    plot = Plot("latency", title, "of the highest rate", "ms", series, kind="bar", y_log=True)
    text = TEXT.format(
        in_flight=load.IN_FLIGHT, seconds=form.seconds, connections=load.CONNECTIONS, rounds=form.rounds
    )
    return Report(
        text=f"{text}\nThe highest rate: {span(taken['highest']['rate'])} calls/s.",
        tables=[Table(columns, rows)],
        plots=[plot],
        remarks=REMARKS,
        data={"latency": subjects.as_data(taken)},
    )


def _name(part):
    return f"{part:.0%}"


def _fresh(rig, redis, front, calls, how, buyers=None):
    """Calls of new buyers into an empty sale with room for all of them."""
    redis.flush()
    rig.create_sale(front, subjects.SALE, buyers or calls)
    messages = rig.enqueues(subjects.SALE, buyers or calls)
    try:
        return rig.call(front, load.ENQUEUE, calls, messages=messages, **how)
    finally:
        messages.unlink()
