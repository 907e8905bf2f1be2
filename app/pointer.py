"""What the pointer reads on a page: the numbers of all that lies where it is."""

import numpy as np
from bokeh.models import ColumnDataSource, CustomJSHover, GlyphRenderer, HoverTool

from ees.results import Plot


# BokehJS puts the words of each glyph at the pointer on top of the others'. So all say the same:
# what every curve, every band or every region of the plane has there.
_ALL = '<div style="white-space: pre-line; max-width: 20em">$x{custom}</div>'
_CURVES = """
const {sx, sy} = special_vars
const {x_scale, y_scale} = Bokeh.index.find_one(figure).frame
const found = new Map()
for (const {visible, name, data_source: {data}} of hover.renderers) {
  if (!visible) continue
  const px = x_scale.v_compute(data.x), py = y_scale.v_compute(data.y)
  for (let i = 0; i < px.length; i++) {
    // Along the line to the next point, or at a point that has none.
    const [dx, dy] = i + 1 < px.length ? [px[i + 1] - px[i], py[i + 1] - py[i]] : [0, 0]
    const part = ((sx - px[i]) * dx + (sy - py[i]) * dy) / (dx * dx + dy * dy)
    const along = Math.min(Math.max(part || 0, 0), 1)
    const off = Math.hypot(px[i] + along * (dx || 0) - sx, py[i] + along * (dy || 0) - sy)
    if (off < Math.min(near, found.get(name)?.off ?? near)) {
      found.set(name, {off, at: i + Math.round(along), data})
    }
  }
}
const number = (value) => String(Number(value.toPrecision(5)))
const lines = [...found].map(
  ([name, {at, data}]) => `${name}: ${number(data.x[at])}, ${number(data.y[at])}`)
return [`${words[0]}, ${words[1]}`, ...lines].join("\\n")
"""
_NEAR = 8  # pixels
_BANDS = """
const {x, y} = special_vars
const lines = [`${words[1]} at ${words[0]} ${Number(x.toPrecision(4))}`]
for (const {visible, name, data_source: {data}} of hover.renderers) {
  if (!visible) continue
  let i = 1
  while (i < data.x.length && !(data.x[i] >= x)) i++
  if (i >= data.x.length || !(data.x[i - 1] <= x)) continue
  const part = (x - data.x[i - 1]) / (data.x[i] - data.x[i - 1])
  const [low, high] = [data.y, data.high].map((end) => end[i - 1] + part * (end[i] - end[i - 1]))
  if (low <= y && y <= high) {
    lines.push(`${name}: ${low.toPrecision(4)} to ${high.toPrecision(4)}`)
  }
}
return lines.join("\\n")
"""
_FIELDS = """
const {x, y} = special_vars
const lines = [`${words[0]} ${x.toFixed(3)}, ${words[1]} ${y.toFixed(3)}`]
const {key, said, values, ...grids} = fields.data
const place = (grid, at) => {
  let i = 1
  while (i < grid.length - 1 && grid[i] < at) i++
  return [i - 1, (at - grid[i - 1]) / (grid[i] - grid[i - 1])]
}
for (let k = 0; k < key.length; k++) {
  if (!hover.renderers.some(({tags, visible}) => visible && tags[0] === key[k])) continue
  const [i, across] = place(grids.x[k], x), [j, along] = place(grids.y[k], y)
  const width = grids.x[k].length
  const [below, above] = [j, j + 1].map((row) => {
    const [left, right] = [0, 1].map((next) => values[k][row * width + i + next])
    return left + across * (right - left)
  })
  lines.push(`${said[k]} ≈ ${Number((below + along * (above - below)).toPrecision(2))}`)
}
return lines.join("\\n")
"""
# The tool for each kind of layer.
_ON_CURVES, _ON_BANDS, _ON_AREAS = (f"numbers of {kind}" for kind in ("curves", "bands", "areas"))
_POINTED = {
    **dict.fromkeys(("curve", "markers", "dots", "cross"), _ON_CURVES),
    "band": _ON_BANDS,
    "fill": _ON_AREAS,
}
_BOUNDLESS = 1e9  # of a growth: whatever is beyond may not fit into 32 bits


def fields(plot: Plot) -> dict[str, np.ndarray | list[np.ndarray]]:
    """The values of a plot's regions, as the pointer reads them: a row for each region."""
    thin = slice(None, None, 2)
    values = [region.values[thin, thin] for region in plot.regions]
    return {
        "key": np.array([region.key for region in plot.regions], object),
        "said": np.array([f"{r.label}: {r.quantity.label}" for r in plot.regions], object),
        "x": [region.x[thin].astype(np.float32) for region in plot.regions],
        "y": [region.y[thin].astype(np.float32) for region in plot.regions],
        "values": [np.minimum(field, _BOUNDLESS).astype(np.float32) for field in values],
    }


def readers(made, blank: Plot, fields: ColumnDataSource) -> list[HoverTool]:
    """The tools of a figure that read curves, bands and areas.

    **Arguments:** `blank`: names the axes; `fields`: holds what `fields` made of the plot drawn.
    """
    tools = []
    for kind, code, more in (
        (_ON_CURVES, _CURVES, {"figure": made, "near": _NEAR}),
        (_ON_BANDS, _BANDS, {}),
        (_ON_AREAS, _FIELDS, {"fields": fields}),
    ):
        hover = HoverTool(name=kind, renderers=[], limit=1, point_policy="follow_mouse")
        args = {"hover": hover, "words": [blank.x.label, blank.y.label]} | more
        hover.update(tooltips=_ALL, formatters={"$x": CustomJSHover(args=args, code=code)})
        tools.append(hover)
    return tools


def read(made, glyph: GlyphRenderer, kind: str) -> None:
    """From now on a figure's tools read this glyph too, if its kind of layer has numbers."""
    if kind in _POINTED:
        # Not by `select_one`, which walks through all that a figure holds.
        (hover,) = (tool for tool in made.tools if tool.name == _POINTED[kind])
        hover.renderers = [*hover.renderers, glyph]
