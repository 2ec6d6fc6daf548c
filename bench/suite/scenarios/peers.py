"""The cost of admitting one buyer: Inrush beside its baselines and peers."""

from .. import load, workloads
from ..measure import interleaved, ratio
from ..errors import BenchError
from ..report import Plot, Report, Series
from ..tables import Table, number, span

TITLE = "The cost of an Enqueue: Inrush beside its baselines and peers"
EXECUTABLES = ("inrush", "inrush-loadtest", "inrush-bench")
FORMS = {
    "full": {"rounds": 5, "calls": 300_000, "jobs": 100_000},
    "quick": {"rounds": 1, "calls": 100_000, "jobs": 50_000},
}
BASELINE = "stock tonic: empty call, multi-thread"
INRUSH = "Inrush: Enqueue"

TEXT = """
Each row admits {calls:,} buyers (BullMQ: {jobs:,}), {in_flight} at a time on {connections} connections; medians of
{rounds} interleaved rounds, with the range of the rounds in brackets. Times are processor time per buyer on the
server's side: the server plus the Redis behind it, if there is one. `inrush-loadtest` sends the gRPC calls. NATS and
BullMQ have drivers of their own, each in one process with one thread, whose time is not counted.
"""
NOTES = """
- Inrush runs with its defaults: signed tickets, exact positions, a cap, one ticket per buyer, telemetry.
- The *front with one script per call* is what a team writes in a week: stock tonic, a multiplexed connection, a
  script that looks a buyer up, checks the cap, counts and appends to a stream. Its tickets are plain numbers, and it
  has no positions.
- *JetStream* keeps its stream in memory, and refuses messages beyond its cap and a second message of a subject. It
  has no front: buyers would have to be clients of NATS. Bytes are the growth of the server's resident memory.
- *BullMQ* adds jobs one by one with the buyer as the job's id. It has no front and no cap.
"""


def run(harness, form):
    missing = []
    peers = {
        BASELINE: lambda: workloads.empty(harness, form.calls),
        "stock tonic: empty call, runtime per core": lambda: workloads.empty(harness, form.calls, "per-core"),
        INRUSH: lambda: workloads.enqueue(harness, form.calls),
        "one script per call: Enqueue": lambda: workloads.one_script(harness, form.calls),
        "NATS JetStream: publish": lambda: workloads.nats(harness, form.calls),
        "BullMQ: add": lambda: workloads.bullmq(harness, form.jobs),
    }
    measurements = {}
    for name, start in peers.items():
        try:
            measurements[name] = start()
        except BenchError as error:
            harness.log(f"{name} is left out: {error}")
            missing.append(f"{name} was left out: {str(error).splitlines()[0]}.")
    results = interleaved(form.rounds, measurements, harness.log)
    return Report(
        text=TEXT.format(
            calls=form.calls,
            jobs=form.jobs,
            in_flight=load.IN_FLIGHT,
            connections=load.CONNECTIONS,
            rounds=form.rounds,
        ),
        tables=[_table(results)],
        plots=[_plot(results)],
        notes="\n\n".join([NOTES, *missing]),
        data={"peers": workloads.as_data(results)},
    )


def _table(results):
    rows = []
    for name, metrics in results.items():
        against = number(ratio(metrics["rate"], results[BASELINE]["rate"]).median)
        costs = [span(metrics[key]) if key in metrics else "–" for key in ("server_us", "redis_us")]
        size = number(metrics["bytes"].median) if "bytes" in metrics else "–"
        rows.append([name, number(metrics["rate"].median), against, *costs, size])
    columns = ("what", "a second", "against the first", "server, µs", "Redis, µs", "bytes each")
    return Table(columns, rows)


def _plot(results):
    series = [
        Series(title, list(results), [metrics[key].median if key in metrics else 0 for metrics in results.values()])
        for title, key in (("server or front", "server_us"), ("Redis", "redis_us"))
    ]
    title = "What taking one buyer in costs on the server's side"
    return Plot("cost", title, "µs of processor time", "", series, kind="stacked")
