"""Markdown tables whose source is aligned."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """Rows of text under a heading. Columns of numbers are aligned to the right."""

    columns: tuple
    rows: list = field(default_factory=list)
    title: str = ""

    def markdown(self):
        """The table as aligned Markdown."""
        rows = [[str(cell) for cell in row] for row in self.rows]
        for row in rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{len(self.columns)} columns, but this row: {row}")
        widths = [max(len(row[at]) for row in [list(self.columns), *rows]) for at in range(len(self.columns))]
        numbers = [bool(rows) and all(_is_number(row[at]) for row in rows) for at in range(len(widths))]

        def line(cells):
            fitted = (
                cell.rjust(width) if number else cell.ljust(width)
                for cell, width, number in zip(cells, widths, numbers, strict=True)
            )
            return f"| {' | '.join(fitted)} |"

        rules = (
            "-" * (width + 1) + (":" if number else "-") for width, number in zip(widths, numbers, strict=True)
        )
        lines = [line(self.columns), f"|{'|'.join(rules)}|", *map(line, rows)]
        return "\n".join(([f"### {self.title}", ""] if self.title else []) + lines)


def _is_number(cell):
    return cell == "–" or cell[:1].isdigit() or cell[:1] in "-+≤≥<>"


def number(value, digits=3):
    """A number with `digits` significant digits and separators between thousands."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) < 0.0001:
        return "<0.0001" if value > 0 else ">-0.0001"
    if abs(value) < 0.01:
        return f"{value:.2g}"
    magnitude = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    if magnitude >= digits:
        return f"{value:,.0f}"
    return f"{value:.{digits - magnitude}f}"


def span(spread, digits=3):
    """A Spread as text: its median and, in brackets, its range."""
    return f"{number(spread.median, digits)} ({number(spread.low, digits)}–{number(spread.high, digits)})"
