"""What a user takes away: a figure, its data, a script that computes it again."""

import io
import threading

import holoviews as hv
import matplotlib

from app.figure import element
from app.theme import PRINT
from ees import Experiment
from ees.results import Plot


matplotlib.use("agg")

WIDTHS = {"89 mm, one column": 89, "140 mm, one and a half": 140, "183 mm, two columns": 183}
"""Figure widths of journals, in millimetres."""

_KEPT = {"pdf": "CreationDate", "svg": "Date", "png": None}

# Matplotlib's settings are global to the process.
_LOCK = threading.Lock()


def figure(plot: Plot, kind: str, width: float = 89) -> bytes:
    """A plot as a file for print, drawn by Matplotlib without a browser.

    **Arguments:** `kind`: `"pdf"`, `"svg"` or `"png"` (600 dots per inch); `width`: in
    millimetres, exactly that of the page.

    **Returns:** the file. The same plot gives the same bytes.

    **Raises:** `ValueError` for another `kind`.
    """
    if kind not in _KEPT:
        raise ValueError(f"kind={kind!r}: allowed are {', '.join(_KEPT)}.")
    file = io.BytesIO()
    with _LOCK, matplotlib.rc_context(PRINT):
        renderer = hv.renderer("matplotlib")
        drawn = renderer.get_plot(element(plot)).state
        try:
            _arrange(drawn, width / 25.4, plot)
            metadata = {_KEPT[kind]: None} if _KEPT[kind] else None
            drawn.savefig(file, format=kind, dpi=600, metadata=metadata)
        finally:
            matplotlib.pyplot.close(drawn)
    return file.getvalue()


def script(experiment: Experiment, plot: Plot) -> str:
    """A short program that computes a plot's data again, with `ees` alone."""
    return f'''"""{plot.title}

Writes the data of the figure "{plot.key}" to {plot.key}.csv.
"""

import jax

jax.config.update("jax_enable_x64", True)

import ees

experiment = ees.Experiment.from_json(
    {experiment.to_json()!r}
)
report = ees.run(experiment)
(plot,) = (plot for plot in report.plots if plot.key == {plot.key!r})
with open("{plot.key}.csv", "w") as file:
    file.write(plot.to_csv())
print(f"{{plot.title}}: wrote {{sum(len(s.x) for s in plot.series)}} points to {plot.key}.csv")
'''


def _arrange(drawn, inches: float, plot: Plot) -> None:
    """Exact width, two thirds as high or square, the legend below with line and marker."""
    axes, square = drawn.axes[0], plot.square
    for axis, of in ((axes.xaxis, plot.x), (axes.yaxis, plot.y)):
        if of.whole and not of.log:
            axis.get_major_locator().set_params(integer=True)
    axes.set_aspect("equal" if square else "auto")
    axes.set_box_aspect(None)
    entries = {}
    for handle, name in zip(*axes.get_legend_handles_labels()):
        if not name.startswith("_"):
            entries.setdefault(name, []).append(handle)
    for legend in (*drawn.legends, *(a.get_legend() for a in drawn.axes)):
        if legend is not None:
            legend.remove()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    drawn.set_size_inches(inches, inches if square else inches * 2 / 3)
    drawn.set_layout_engine("constrained")
    drawn.legend(
        [tuple(handles[:2]) for handles in entries.values()],
        list(entries),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        handlelength=3,
        columnspacing=1,
    )
