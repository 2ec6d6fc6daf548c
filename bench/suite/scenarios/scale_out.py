"""More front nodes, more sales, more masters: what each costs, what saturates first, and what happens then."""

import threading
import time

from .. import load
from ..measure import interleaved
from ..errors import BenchError
from ..redis import free_port
from ..report import Plot, Report, Series
from ..tables import Table, number, span

TITLE = "Scaling out"
EXECUTABLES = ("inrush", "inrush-loadtest")
FORMS = {
    "full": {"rounds": 3, "calls": 200_000, "nodes": (1, 2, 3, 4), "in_flight": (16, 64, 256, 1_024), "masters": (1, 2, 3)},
    "quick": {"rounds": 1, "calls": 40_000, "nodes": (1, 4), "in_flight": (16, 256), "masters": (1, 3)},
}
SALES = 24
# Largest batch of a front.
BATCH = 256
# Cores of fronts that the model is evaluated for.
PAPER = (1, 2, 4, 8, 16, 32, 100)


def run(harness, form):
    nodes = interleaved(
        form.rounds, {f"{n} nodes": lambda n=n: _nodes(harness, n, form.calls) for n in form.nodes}, harness.log
    )
    batches = interleaved(
        form.rounds, {f"{n} in flight": lambda n=n: _batches(harness, n, form.calls) for n in form.in_flight}, harness.log
    )
    masters = interleaved(
        form.rounds, {f"{n} masters": lambda n=n: _masters(harness, n, form.calls) for n in form.masters}, harness.log
    )
    model = _fit(batches)
    paper = [_on_paper(model, n) for n in PAPER]
    results = {**nodes, **batches, **masters}
    return Report(
        text=(
            "Enqueue of new buyers into a sale. Nodes: front processes with one core each, which share the"
            " load, on one Redis. In flight: one such node with this many calls in flight, which makes batches"
            f" of different sizes. Masters: a Redis Cluster with this many masters and {SALES} sales, one"
            " front. All processes share two cores, so that rates do not rise with nodes here; the processor"
            " time per call must not rise either."
        ),
        tables=[
            Table(
                ("", "calls/s", "front, µs", "Redis, µs", "calls in a batch"),
                [
                    [n, span(t["rate"]), span(t["front_us"]), span(t["redis_us"]), number(t["batch"].median)]
                    for n, t in {**nodes, **batches}.items()
                ],
                "Nodes and batches",
            ),
            Table(
                ("", "calls/s", "front, µs", "Redis, µs, all masters", "busiest master's share")
                + ("calls in a batch", "scripts read at a time"),
                [
                    [
                        n,
                        *(span(t[key]) for key in ("rate", "front_us", "redis_us")),
                        *(number(t[key].median) for key in ("most_share", "batch", "read")),
                    ]
                    for n, t in masters.items()
                ],
                f"{SALES} sales on a Redis Cluster",
            ),
            Table(
                ("cores of fronts", "fronts could take, calls/s", "one hot sale takes, calls/s", "calls in a batch, at least"),
                [[str(p["cores"]), *(number(p[k]) for k in ("wanted", "sustained", "batch"))] for p in paper],
                "On paper: one hot sale",
            ),
        ],
        plots=[
            Plot(
                "nodes", "Processor time of a call", "front nodes", "µs",
                [
                    Series.of(name, [n.split()[0] for n in nodes], [t[key] for t in nodes.values()])
                    for name, key in (("front", "front_us"), ("Redis", "redis_us"))
                ],
                kind="bar",
            ),
            Plot(
                "paper", "One hot sale, on paper", "cores of fronts", "calls/s",
                [
                    Series("what the fronts could take", list(PAPER), [p["wanted"] for p in paper]),
                    Series("what the sale takes", list(PAPER), [p["sustained"] for p in paper]),
                ],
                x_log=True, y_log=True,
            ),
        ],
        data={
            "measured": {name: {key: each.as_data() for key, each in metrics.items()} for name, metrics in results.items()},
            "model": model,
            "paper": paper,
        },
        notes=_notes(model, paper),
    )


def _notes(model, paper):
    full = paper[-1]["sustained"]
    cores = next((p["cores"] for p in paper if p["wanted"] > p["sustained"]), None)
    return (
        (
        f"The model: a batch of b calls costs Redis {model['batch_us']:.1f} µs and {model['call_us']:.2f} µs for each call"
        f" (least squares over the measured batches), and a core of a front takes {1e6 / model['front_us']:,.0f} calls/s."
        " A core of a front has one batch of a sale in flight, and calls that arrive meanwhile form the next: batches grow"
        " until Redis keeps up, or until they are full."
        f" One hot sale is served by one Redis core, which takes at most {full:,.0f} calls/s in full batches"
        + (f"; it is the first to saturate, with less than {cores} cores of fronts. " if cores else ". ")
        + "Beyond that, batches stay full and calls wait in their front. Calls that have waited too long, or that exceed"
        " the in-flight limit of a core, are shed with UNAVAILABLE and RetryInfo ([overload](overload.md)). Refusals of a"
        " sold-out sale never reach Redis. Sales on other masters of the cluster are not affected.\n\n"
        "With more masters, each reads and answers fewer scripts at a time, so that fewer calls share its system calls: all"
        " masters together spend more on a call than one does. Batches are small there because calls are spread over"
        f" {SALES} sales, and each core of the front makes batches of its own for each sale."
    )
    )


# --- Measuring ----------------------------------------------------------------------------------------------------------


def _nodes(harness, count, calls, in_flight=load.IN_FLIGHT, sale="phone"):
    with harness.scope() as scope:
        scope.folder = harness.folder
        redis = scope.redis()
        fronts = [scope.front(redis, "--cores", 1) for _ in range(count)]
        scope.create_sale(fronts[0], sale, calls)
        each = calls // count
        files = [scope.enqueues(sale, each, first=number * each) for number in range(count)]
        before = {id(process): process.cpu() for process in (redis, *fronts)}
        scripts = _scripts(redis)
        started = time.monotonic()
        _together([
            lambda front=front, file=file: scope.call(
                front, load.ENQUEUE, each, messages=file, in_flight=max(in_flight // count, 1),
                connections=min(max(load.CONNECTIONS // count, 1), in_flight),
            )
            for front, file in zip(fronts, files, strict=True)
        ])
        elapsed = time.monotonic() - started
        spent = {id(process): process.cpu() - before[id(process)] for process in (redis, *fronts)}
        done = each * count
        return {
            "rate": done / elapsed,
            "front_us": sum(spent[id(front)] for front in fronts) * 1e6 / done,
            "redis_us": spent[id(redis)] * 1e6 / done,
            "batch": done / max(_scripts(redis) - scripts, 1),
        }


def _batches(harness, in_flight, calls):
    return _nodes(harness, 1, calls, in_flight)


def _masters(harness, count, calls):
    with harness.scope() as scope:
        scope.folder = harness.folder
        masters = _cluster(scope, count)
        front = scope.front(_Url("redis+cluster://" + ",".join(f"127.0.0.1:{each.port}" for each in masters)))
        names = [f"sale-{number:02}" for number in range(SALES)]
        for name in names:
            scope.create_sale(front, name, calls)
        messages = _mixed(scope, names, calls)
        before = [master.cpu() for master in masters]
        scripts, reads = _scripts(*masters), _reads(*masters)
        completed = scope.call(front, load.ENQUEUE, calls, messages=messages, watch={"front": front})
        spent = [master.cpu() - earlier for master, earlier in zip(masters, before, strict=True)]
        scripts, reads = _scripts(*masters) - scripts, _reads(*masters) - reads
        return {
            "rate": completed.rate,
            "front_us": completed.watched_us["front"],
            "redis_us": sum(spent) * 1e6 / calls,
            "most_share": max(spent) / sum(spent),
            "batch": calls / max(scripts, 1),
            "read": scripts / max(reads, 1),
        }


class _Url:
    def __init__(self, url):
        self.url = url


def _cluster(scope, count):
    """A Redis Cluster whose masters share the slots evenly."""
    masters = [scope.redis("--cluster-enabled", "yes", "--cluster-port", free_port()) for _ in range(count)]
    edges = [16_384 * number // count for number in range(count + 1)]
    for number, master in enumerate(masters):
        master.command("CLUSTER", "ADDSLOTSRANGE", edges[number], edges[number + 1] - 1)
        bus = masters[0].command("CONFIG", "GET", "cluster-port")[1]
        if number:
            master.command("CLUSTER", "MEET", "127.0.0.1", masters[0].port, bus)
    for master in masters:
        master.process.wait_for("whole cluster", lambda m=master: _is_whole(m, count))
    return masters


def _is_whole(master, count):
    state = master.command("CLUSTER", "INFO")
    return "cluster_state:ok" in state and f"cluster_known_nodes:{count}" in state


def _mixed(scope, names, calls):
    """Enqueues of all sales in turn. Names have one length, and so have the messages."""
    each = calls // len(names)
    contents = [scope.enqueues(name, each).read_bytes() for name in names]
    size = len(contents[0]) // each
    path = scope.folder / f"mixed-{calls}"
    with open(path, "wb") as file:
        for start in range(0, each * size, size):
            file.write(b"".join(content[start : start + size] for content in contents))
    return path


def _together(runs):
    failures = []

    def attempt(run):
        try:
            run()
        except BenchError as error:
            failures.append(error)

    threads = [threading.Thread(target=attempt, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _scripts(*servers):
    names = ("evalsha", "evalsha_ro", "fcall", "fcall_ro")
    return sum(each.commands().get(name, 0) for each in servers for name in names)


def _reads(*servers):
    return sum(int(each.info("stats")["total_reads_processed"]) for each in servers)


# --- On paper -----------------------------------------------------------------------------------------------------------


def _fit(batches):
    """Redis' time for a call is `call_us + batch_us / b`: by least squares over 1 / b. The front's is that of its largest."""
    points = [(1 / t["batch"].median, t["redis_us"].median) for t in batches.values()]
    x_mean, y_mean = (sum(p[axis] for p in points) / len(points) for axis in (0, 1))
    slope = sum((x - x_mean) * (y - y_mean) for x, y in points) / sum((x - x_mean) ** 2 for x, _ in points)
    front = min(t["front_us"].median for t in batches.values())
    return {"batch_us": slope, "call_us": y_mean - slope * x_mean, "front_us": front}


def _on_paper(model, cores):
    """Each core has one batch in flight; Redis runs them in turn. Batches grow until they carry the load, or are full."""
    wanted = cores * 1e6 / model["front_us"]
    most = 1e6 / (model["call_us"] + model["batch_us"] / BATCH)
    if wanted >= most:
        return {"cores": cores, "wanted": wanted, "sustained": most, "batch": BATCH}
    # The least batch with which Redis is not overrun: wanted × (call + batch / b) = 1.
    needed = model["batch_us"] * wanted / max(1e6 - model["call_us"] * wanted, 1)
    batch = min(max(needed, 1), BATCH)
    return {"cores": cores, "wanted": wanted, "sustained": wanted, "batch": batch}
