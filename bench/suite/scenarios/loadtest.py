"""The load tool beside h2load and k6, against stock tonic."""

import os
import re
import tempfile

from .. import load, processes, tools
from ..measure import interleaved, ratio
from ..errors import BenchError
from ..report import Report
from ..tables import Table, number, span

TITLE = "The load tool beside its peers"
EXECUTABLES = ("inrush-loadtest", "inrush-bench")
FORMS = {
    "full": {"rounds": 5, "calls": 400_000, "memory_calls": (500_000, 5_000_000)},
    "quick": {"rounds": 1, "calls": 100_000, "memory_calls": ()},
}
# As few connections as keep all cores busy, which is where h2load costs least.
HOW = {"in_flight": 200, "connections": os.cpu_count()}
# k6 makes a seventh of the calls in the same time.
K6_SHARE = 10
K6_SCRIPT = """
import grpc from 'k6/net/grpc';
const client = new grpc.Client();
export const options = {{ scenarios: {{ calls: {{
  executor: 'shared-iterations', vus: {in_flight}, iterations: {calls}, maxDuration: '10m' }} }} }};
export default () => {{
  if (__ITER == 0) client.connect('{address}', {{ plaintext: true, reflect: true }});
  client.invoke('{method}', {{}});
}};
"""


def run(harness, form):
    echo = harness.echo()
    peers = _peers(harness, echo, form)
    results = interleaved(form.rounds, peers, harness.log)
    memory = {calls: harness.call(echo, load.EMPTY, calls, **HOW).memory for calls in form.memory_calls}
    data = {name: {key: each.as_data() for key, each in metrics.items()} for name, metrics in results.items()}
    return Report(
        text=(
            f"Unary calls without content (`{load.EMPTY}`) to stock tonic on its multi-threaded runtime;"
            f" {HOW['in_flight']} calls in flight on {HOW['connections']} connections (k6: one for each of its"
            f" {HOW['in_flight']} users); medians of {form.rounds} interleaved rounds, with the range of the"
            " rounds in brackets."
        ),
        tables=_tables(results, memory),
        data={"tools": data, "memory": memory},
    )


def _peers(harness, echo, form):
    peers = {"inrush-loadtest": lambda: _metrics(harness.call(echo, load.EMPTY, form.calls, **HOW))}
    few = max(form.calls // K6_SHARE, 1)
    others = {
        "h2load": (tools.h2load, lambda: _metrics(harness.h2load(echo, load.EMPTY, form.calls, **HOW))),
        "k6": (tools.k6, lambda: _k6(echo.address, few)),
    }
    for name, (available, measure) in others.items():
        try:
            available()
            peers[name] = measure
        except BenchError as error:
            harness.log(f"{name} is left out: {error}")
    return peers


def _metrics(calls):
    return {"rate": calls.rate, "load_us": calls.load_us, "memory": calls.memory}


def _k6(address, calls):
    with tempfile.NamedTemporaryFile("w", suffix=".js") as script:
        script.write(K6_SCRIPT.format(in_flight=HOW["in_flight"], calls=calls, address=address, method=load.EMPTY))
        script.flush()
        command = [tools.k6(), "run", "--quiet", "--no-usage-report", script.name]
        completed = processes.run(command, load.RUN_TIMEOUT)
    rate = float(re.search(r"iterations\.*:\s*\d+\s+([\d.]+)/s", completed.output)[1])
    return {"rate": rate, "load_us": completed.cpu * 1e6 / calls, "memory": completed.peak_memory}


def _tables(results, memory):
    rows = []
    for name, metrics in results.items():
        against = ratio(metrics["load_us"], results["h2load"]["load_us"]).median if "h2load" in results else None
        peak = f"{metrics['memory'].median / 1e6:.0f} MB"
        rows.append([name, number(metrics["rate"].median), span(metrics["load_us"]), number(against), peak])
    columns = ("tool", "calls/s", "processor time per call, µs", "against h2load", "peak memory")
    tables = [Table(columns, rows)]
    if memory:
        rows = [[f"{calls:,}", f"{peak / 1e6:.1f} MB"] for calls, peak in memory.items()]
        tables.append(Table(("calls", "peak memory of inrush-loadtest"), rows))
    return tables
