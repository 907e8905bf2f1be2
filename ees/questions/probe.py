"""The test equation at one point of the complex plane: every scheme there, forward and back."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from ees.diagnostics import reconstruction
from ees.diagnostics.amplification import Rotation
from ees.drivers import Clock
from ees.questions.base import Number
from ees.questions.plane import BLANK as PLANE
from ees.questions.plane import scale, written
from ees.questions.spectrum import growth_of
from ees.results import Axis, Plot, Series


PROBE = {
    "probe_re": Number("Probe, real part", -1.0, -8.0, 8.0),
    "probe_im": Number("Probe, imaginary part", 1.0, -8.0, 8.0),
}
_STEPS = 24
_TINY, _HUGE = 1e-30, 1e30

BLANK = Plot(
    key="stability-probe",
    title="",
    x=Axis("steps", "n"),
    y=Axis("size", "|y_n|", log=True),
    series=(),
    window=(1e-6, 1e3),
    range=(0.0, 24.3),
)


def probe(experiment) -> Plot:
    """|y_n| of every scheme on y' = λy, y_0 = 1, with λh where the probe is, and the way back."""
    each = complex(experiment.choice("probe_re"), experiment.choice("probe_im"))
    dtype = jnp.float64 if experiment.precision == "float64" else jnp.float32
    series, factors, returns = [], [], []
    for name in experiment.schemes:
        scheme, unit = experiment.scheme(name), scale(experiment, name)
        z = each * unit
        found = reconstruction(
            Rotation(jnp.asarray(z, jnp.result_type(dtype, jnp.complex64))),
            scheme,
            Clock(0.0, float(_STEPS), _STEPS, dtype=dtype),
            jnp.array([1.0, 0.0], dtype),
            save=_STEPS + 1,
        )
        n = np.arange(_STEPS + 1.0) * unit
        forward, backward = (
            np.hypot(*np.asarray(values, float).T) for values in (found.forward, found.backward)
        )
        series += [
            _sizes(Series(name, scheme.name, n, forward, marks=False)),
            _sizes(Series(name, scheme.name, n, backward, "dots")),
        ]
        factors.append(f"{scheme.name} {growth_of(scheme, np.array([z]))[0]:.4g}")
        error = float(found.error[0])
        returns.append(f"{scheme.name} {error:.2g}" if np.isfinite(error) else f"{scheme.name} not")
    longest = max(s.x.max(initial=1.0) for s in series)
    n = np.linspace(0.0, longest, 97)
    exact = Series("reference", "exact solution", n, np.exp(each.real * n))
    exact = _sizes(exact)
    counted = "step" if experiment.choice("axes") == "step" else "evaluation"
    return dataclasses.replace(
        BLANK,
        title=f"y' = λy at z = {written(each)}: there (lines) and back (dots)",
        x=BLANK.x if counted == "step" else Axis("field evaluations", "s n"),
        series=(exact, *series),
        window=_decades(np.concatenate([s.y for s in (exact, *series)])),
        range=(0.0, 1.01 * longest),
        caption=f"The exact solution changes by exp(Re z) = {np.exp(each.real):.4g} each "
        f"{counted}. Growth factors of a step: {', '.join(factors)}. Back from step {_STEPS}, the "
        f"start is recovered with the error: {', '.join(returns)}.",
    )


def probed(experiment, key: str, x: float, y: float) -> dict:
    """A click on the plane moves the probe there."""
    if key != PLANE.key:
        return {}
    places = {
        name: round(min(max(value, PROBE[name].low), PROBE[name].high), 3)
        for name, value in (("probe_re", x), ("probe_im", y))
    }
    return {"choices": {**experiment.choices, **places}}


def _sizes(series: Series) -> Series:
    """What of a curve fits on a logarithmic scale and in the numbers of a screen."""
    drawn = np.isfinite(series.y) & (series.y > _TINY) & (series.y < _HUGE)
    return dataclasses.replace(series, x=series.x[drawn], y=series.y[drawn])


def _decades(values: np.ndarray) -> tuple[float, float]:
    low = max(values.min(initial=1.0), 1e-16)
    high = min(values.max(initial=1.0), 1e12)
    return 10.0 ** (np.floor(np.log10(low)) - 0.2), 10.0 ** (np.ceil(np.log10(high)) + 0.2)
