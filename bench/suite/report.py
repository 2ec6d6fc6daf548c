"""The results of a scenario, and the files that are made from them."""

import json
import os
import platform
import re
import textwrap
from dataclasses import asdict, dataclass, field

from . import drawing
from .errors import BenchError

# The width of prose.
MAX_COLUMNS = 120

INDEX = """# Results of the benchmarks

`make bench` writes these pages; [bench/README.md](../../bench/README.md) describes the method. The tables are committed
here. The rounds of each value and further plots of a run are in `target/bench`.

{results}

[baseline.json](baseline.json) contains the ratios that `make bench-quick` compares with.
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
        """Medians, with the lowest and highest round as error bars."""
        return cls(name, list(x), [s.median for s in spreads], [s.low for s in spreads], [s.high for s in spreads])


@dataclass(frozen=True)
class Plot:
    """One picture: `line`, `bar` (groups beside each other) or `stacked` (to the right, adding up).

    Axes are named with their units; `limit` draws a line across, such as a budget. A plot that is `on_page` is committed
    with the page and shown there, because no table says what it does.
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
    on_page: bool = False


@dataclass(frozen=True)
class Report:
    """`text` says what was measured and how, in Markdown; `data` is everything that was measured, for programs."""

    text: str
    tables: list = field(default_factory=list)
    plots: list = field(default_factory=list)
    data: dict = field(default_factory=dict)
    # Below the tables and plots: the conclusions.
    notes: str = ""


def wrapped(text):
    """Paragraphs and lists of Markdown, with lines of at most MAX_COLUMNS."""
    return "\n\n".join(
        "\n".join(_wrapped_item(item) for item in re.split(r"\n(?=- )", paragraph))
        for paragraph in re.split(r"\n\s*\n", text.strip())
    )


def _wrapped_item(item):
    indent = "  " if item.startswith("- ") else ""
    options = {"subsequent_indent": indent, "break_long_words": False, "break_on_hyphens": False}
    return "\n".join(textwrap.wrap(" ".join(item.split()), MAX_COLUMNS, **options))


def machine():
    """The machine that was measured on."""
    model = platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    cores = f"{os.cpu_count()} cores ({model})"
    return f"{cores} shared by load, servers and store; {platform.system()} {platform.machine()}"


def write(folder, details, name, title, form, report, log):
    """Writes the page NAME.md with its pictures into `folder`, and NAME.json with all other pictures into `details`."""
    folder.mkdir(parents=True, exist_ok=True)
    details.mkdir(parents=True, exist_ok=True)
    pictures = {}
    for plot in report.plots:
        pictures[(folder if plot.on_page else details) / f"{name}-{plot.name}.svg"] = plot
    try:
        drawing.draw({path: asdict(plot) for path, plot in pictures.items()})
    except BenchError as error:
        log(f"no plots: {error}")
    parts = [f"# {title}", wrapped(report.text)]
    parts.append(wrapped(f"Measured by `make bench ONLY={name}` ({form} form) on {machine()}."))
    parts += [table.markdown() for table in report.tables]
    parts += [f"![{plot.title}]({path.name})" for path, plot in pictures.items() if plot.on_page and path.exists()]
    if report.notes:
        parts.append(wrapped(report.notes))
    (folder / f"{name}.md").write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    data = {"title": title, "form": form, "machine": machine(), **report.data}
    text = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
    (details / f"{name}.json").write_text(text, encoding="utf-8")


def write_index(folder):
    """Writes README.md, which names all pages that are in the folder."""
    pages = [page for page in sorted(folder.glob("*.md")) if page.name != "README.md"]
    lines = [f"- [{_title(page)}]({page.name})" for page in pages]
    (folder / "README.md").write_text(INDEX.format(results="\n".join(lines)), encoding="utf-8")


def _title(page):
    with page.open(encoding="utf-8") as lines:
        return next(lines).removeprefix("# ").strip()
