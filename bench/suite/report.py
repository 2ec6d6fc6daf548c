"""What a scenario found, and how it is written down."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field

from . import drawing
from .problem import Problem

INDEX = """# Results of the benchmarks

Written by `make bench`; [bench/README.md](../../bench/README.md) tells how it is measured.

{results}

[baseline.json](baseline.json) has the ratios that `make bench-quick` compares with.
"""


@dataclass(frozen=True)
class Series:
    """A line, or the bars of one colour. `low` and `high` are drawn as error bars where they are given."""

    name: str
    x: list
    y: list
    low: list = field(default_factory=list)
    high: list = field(default_factory=list)

    @classmethod
    def of(cls, name, x, spreads):
        """Medians, with the lowest and the highest of all rounds."""
        return cls(name, list(x), [s.median for s in spreads], [s.low for s in spreads], [s.high for s in spreads])


@dataclass(frozen=True)
class Plot:
    """One picture: `line`, `bar` (groups beside each other) or `stacked` (to the right, adding up).

    Axes are named with their units; `limit` draws a line across, such as a budget.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    series: list
    kind: str = "line"
    x_log: bool = False
    y_log: bool = False
    limit: float | None = None
    limit_label: str = ""


@dataclass(frozen=True)
class Report:
    """`text` says what was measured and how, in Markdown; `data` is all figures, for programs."""

    text: str
    tables: list = field(default_factory=list)
    plots: list = field(default_factory=list)
    data: dict = field(default_factory=dict)
    # Below the tables and plots: what is to be seen in them.
    remarks: str = ""


def machine():
    """Where it was measured."""
    model = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    cores = f"{os.cpu_count()} cores ({model})"
    return f"{cores} shared by load, servers and store; {platform.system()} {platform.machine()}"


def write(folder, name, title, form, report, tell):
    """Writes NAME.json, NAME.md and the plots NAME-*.svg into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [f"{name}-{plot.name}.svg" for plot in report.plots]
    try:
        drawing.draw({folder / file: asdict(plot) for file, plot in zip(pictures, report.plots, strict=True)})
    except Problem as problem:
        tell(f"no plots: {problem}")
        pictures = [file for file in pictures if (folder / file).exists()]
    parts = [f"# {title}", report.text.strip()]
    parts.append(f"Measured by `make bench ONLY={name}` ({form} form) on {machine()}.")
    parts += [table.markdown() for table in report.tables]
    titles = {f"{name}-{plot.name}.svg": plot.title for plot in report.plots}
    parts += [f"![{titles[file]}]({file})" for file in pictures]
    if report.remarks:
        parts.append(report.remarks.strip())
    (folder / f"{name}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    data = {"title": title, "form": form, "machine": machine(), **report.data}
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    (folder / f"{name}.json").write_text(text, encoding="utf-8")


def write_index(folder):
    """Writes README.md, which names all results that are in the folder."""
    titles = {}
    for file in sorted(folder.glob("*.json")):
        if file.with_suffix(".md").exists():
            titles[file.stem] = json.loads(file.read_text(encoding="utf-8"))["title"]
    lines = [f"- [{title}]({name}.md) ([data]({name}.json))" for name, title in titles.items()]
    (folder / "README.md").write_text(INDEX.format(results="\n".join(lines)), encoding="utf-8")
