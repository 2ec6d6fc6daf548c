"""What taking one buyer in costs: Inrush beside its baselines and peers."""

from .. import load, subjects
from ..measure import interleaved, ratio
from ..problem import Problem
from ..report import Plot, Report, Series
from ..tables import Table, number, span

TITLE = "Taking a buyer in: Inrush beside its baselines and peers"
EXECUTABLES = ("inrush", "inrush-loadtest", "inrush-bench")
FORMS = {
    "full": {"rounds": 5, "calls": 300_000, "jobs": 100_000},
    "quick": {"rounds": 1, "calls": 100_000, "jobs": 50_000},
}
BASELINE = "stock tonic: empty call, multi-thread"
INRUSH = "Inrush: Enqueue"

TEXT = """
Each row takes in {calls:,} buyers (BullMQ: {jobs:,}), {in_flight} at a time on {connections} connections; medians of
{rounds} interleaved rounds, and from where to where they went. Times are processor time for each buyer on the server's
side, and add up: the server, and the Redis behind it where there is one. Calls of gRPC are made by `inrush-loadtest`; NATS
and BullMQ have drivers of their own, in one process with one thread, whose time is not counted.
"""
REMARKS = """
- Inrush runs as it comes: signed tickets, exact positions, a cap, one ticket for each buyer, telemetry.
- The *front with one script per call* is what a competent team writes in a week: stock tonic, a multiplexed
  connection, a script that looks a buyer up, checks the cap, counts and appends to a stream. Its tickets are plain numbers,
  and it has no positions.
- *JetStream* keeps its stream in memory, refuses what is beyond its cap and a subject's second message. There is no front:
  buyers would have to be clients of NATS. Bytes are the growth of the server's resident memory.
- *BullMQ* adds jobs one by one with the buyer as the job's id. There is no front and no cap.
"""


def run(rig, form):
    missing = []
    peers = {
        BASELINE: lambda: subjects.empty(rig, form.calls),
        "stock tonic: empty call, runtime per core": lambda: subjects.empty(rig, form.calls, "per-core"),
        INRUSH: lambda: subjects.enqueue(rig, form.calls),
        "one script per call: Enqueue": lambda: subjects.one_script(rig, form.calls),
        "NATS JetStream: publish": lambda: subjects.nats(rig, form.calls),
        "BullMQ: add": lambda: subjects.bullmq(rig, form.jobs),
    }
    measurements = {}
    for name, start in peers.items():
        try:
            measurements[name] = start()
        except Problem as problem:
            rig.tell(f"{name} is left out: {problem}")
            missing.append(f"{name} was left out: {str(problem).splitlines()[0]}.")
    taken = interleaved(form.rounds, measurements, rig.tell)
    return Report(
        text=TEXT.format(
            calls=form.calls,
            jobs=form.jobs,
            in_flight=load.IN_FLIGHT,
            connections=load.CONNECTIONS,
            rounds=form.rounds,
        ),
        tables=[_table(taken)],
        plots=[_plot(taken)],
        remarks="\n\n".join([REMARKS, *missing]),
        data={"peers": subjects.as_data(taken)},
    )


def _table(taken):
    rows = []
    for name, figures in taken.items():
        against = number(ratio(figures["rate"], taken[BASELINE]["rate"]).median)
        costs = [span(figures[key]) if key in figures else "–" for key in ("server_us", "redis_us")]
        size = number(figures["bytes"].median) if "bytes" in figures else "–"
        rows.append([name, number(figures["rate"].median), against, *costs, size])
    columns = ("what", "a second", "against the first", "server, µs", "Redis, µs", "bytes each")
    return Table(columns, rows)


def _plot(taken):
    series = [
        Series(title, list(taken), [figures[key].median if key in figures else 0 for figures in taken.values()])
        for title, key in (("server or front", "server_us"), ("Redis", "redis_us"))
    ]
    title = "What taking one buyer in costs on the server's side"
    return Plot("cost", title, "µs of processor time", "", series, kind="stacked")
