"""Draws plots as SVG. The same data makes the same file.

The suite itself needs no library, so this file also runs as a process of its own, in the virtual environment that has
matplotlib: `python drawing.py < plots.json`.
"""

import json
import subprocess
import sys
from pathlib import Path

COLOURS = ["#2563eb", "#ea580c", "#059669", "#9333ea", "#64748b", "#db2777"]
INK, GRID = "#1f2937", "#e5e7eb"
SIZE_INCHES = (7.2, 4.0)
DRAW_TIMEOUT = 120
MAX_MARKERS = 40


def draw(plots):
    """Draws plots, dictionaries of the fields of a Plot by the path of their file."""
    from . import tools
    from .errors import BenchError

    if not plots:
        return
    python = tools.matplotlib()
    specification = json.dumps({str(path): plot for path, plot in plots.items()})
    done = subprocess.run(
        [python, Path(__file__)], input=specification, text=True, capture_output=True, timeout=DRAW_TIMEOUT
    )
    if done.returncode != 0:
        raise BenchError(f"the plots cannot be drawn:\n{done.stderr[-2000:]}")


def main():
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update(
        {
            # Deterministic ids.
            "svg.hashsalt": "inrush",
            "svg.fonttype": "none",
            "font.family": "sans-serif",
            "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
            "font.size": 10,
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": "#9ca3af",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": GRID,
            "xtick.color": INK,
            "ytick.color": INK,
            "legend.frameon": False,
        }
    )
    for path, plot in json.load(sys.stdin).items():
        _draw(path, plot)


def _draw(path, plot):
    from matplotlib import pyplot, ticker

    figure, axes = pyplot.subplots(figsize=SIZE_INCHES, layout="constrained")
    {"line": _lines, "bar": _bars, "stacked": _stacked}[plot["kind"]](axes, plot)
    if plot["limit"] is not None:
        axes.axhline(plot["limit"], color="#dc2626", linestyle="--", linewidth=1, label=plot["limit_label"] or "limit")
    figure.suptitle(plot["title"], x=0.012, ha="left", fontweight="bold", fontsize=11)
    axes.set_xlabel(plot["x_label"])
    axes.set_ylabel(plot["y_label"])
    if plot["kind"] == "stacked":
        _finish(figure, axes, path, plot)
        return
    number_format = ticker.FuncFormatter(lambda value, _: f"{value:,.10g}")
    if plot["x_log"]:
        axes.set_xscale("log")
    if plot["y_log"]:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    if plot["kind"] != "bar":
        axes.xaxis.set_major_formatter(number_format)
    axes.yaxis.set_major_formatter(number_format)
    _finish(figure, axes, path, plot)


def _finish(figure, axes, path, plot):
    from matplotlib import pyplot

    if len(plot["series"]) > 1 or plot["limit"] is not None:
        axes.legend(loc="best", fontsize=9)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None}, facecolor="white")
    pyplot.close(figure)


def _lines(axes, plot):
    for series, colour in zip(plot["series"], COLOURS, strict=False):
        axes.errorbar(
            series["x"],
            series["y"],
            yerr=_errors(series),
            label=series["name"],
            color=colour,
            marker="o" if len(series["x"]) <= MAX_MARKERS else None,
            markersize=4,
            linewidth=1.6,
            capsize=2,
            elinewidth=0.8,
        )


def _bars(axes, plot):
    names = plot["series"][0]["x"]
    width = 0.8 / len(plot["series"])
    for at, (series, colour) in enumerate(zip(plot["series"], COLOURS, strict=False)):
        places = [index + (at - (len(plot["series"]) - 1) / 2) * width for index in range(len(names))]
        axes.bar(places, series["y"], width * 0.92, yerr=_errors(series), label=series["name"], color=colour, capsize=2)
    axes.set_xticks(range(len(names)), names)
    axes.grid(axis="x", visible=False)


def _stacked(axes, plot):
    """Horizontal bars, one per name, in which the series add up."""
    names = plot["series"][0]["x"]
    ends = [0.0] * len(names)
    for series, colour in zip(plot["series"], COLOURS, strict=False):
        axes.barh(range(len(names)), series["y"], 0.62, left=ends, label=series["name"], color=colour)
        ends = [end + length for end, length in zip(ends, series["y"], strict=True)]
    for place, end in enumerate(ends):
        axes.annotate(f"{end:.3g}", (end, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(x=0.08)
    axes.grid(axis="y", visible=False)


def _errors(series):
    if not series["low"]:
        return None
    below = [middle - low for middle, low in zip(series["y"], series["low"], strict=True)]
    above = [high - middle for middle, high in zip(series["y"], series["high"], strict=True)]
    return [below, above]


if __name__ == "__main__":
    main()
