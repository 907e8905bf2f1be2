"""The numbers of a plot as a table that a screen reader can walk through."""

import html
import itertools

from ees.results import Plot


_MOST = 240


def table(plot: Plot) -> str:
    """A plot's numbers as HTML: all of them, or every few where there are many."""
    rows = list(plot.rows())
    shown = []
    every = -(-len(rows) // _MOST)
    for _, group in itertools.groupby(rows, key=lambda row: row[0]):
        points = list(group)
        # The last point of a curve says where it ends.
        shown += points[:-1:every] + points[-1:]
    some = f"{len(shown)} of {len(rows)} rows; the CSV file has them all"
    title = f"{plot.title} ({some if len(shown) < len(rows) else f'{len(rows)} rows'})"
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in plot.header)
    body = "".join(
        f'<tr><th scope="row">{html.escape(label)}</th>'
        + "".join(f"<td>{_written(number)}</td>" for number in numbers)
        + "</tr>"
        for label, *numbers in shown
    )
    return (
        f"<table><caption>{html.escape(title)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _written(number: float) -> str:
    return "" if number != number else f"{number:.7g}"
