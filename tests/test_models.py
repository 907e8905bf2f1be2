"""The catalogue: whatever is in `ees.MODELS` keeps the promises of `Model` and `Parameter`."""

import inspect
import re

import equinox as eqx
import jax.numpy as jnp, jax.random as jr, jax.tree_util as jtu
import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser

import ees
from ees.drivers import LATTICE
from ees.experiment import STEP_COUNTS


DEFAULTS = {name: make() for name, make in ees.MODELS.items()}
EXACT = [name for name, model in DEFAULTS.items() if model.exact is not None]
PARAMETERS = [(name, p) for name, model in DEFAULTS.items() for p in model.parameters]
WHOLE = [(name, p) for name, p in PARAMETERS if p.whole]
IDS = [f"{name}-{p.name}" for name, p in PARAMETERS]
# Documented: another number of oscillators is a state of another size.
STRUCTURAL = {"kuramoto": {"oscillators"}}


def _with(name, parameter, value):
    return ees.MODELS[name](**{parameter: value})


def _elsewhere(parameter):
    """Another value within the range, half the way to the farther end."""
    ends = parameter.low, parameter.high
    return (parameter.value + max(ends, key=lambda end: abs(end - parameter.value))) / 2


def _increment(model, dtype=float):
    shape = model.noise_shape
    dw = () if shape is None else jnp.asarray(np.random.default_rng(1).normal(size=shape), dtype)
    return ees.Increment(jnp.asarray(0.05, dtype), dw)


def test_models_have_names_and_short_distinct_titles():
    assert all(model.name == name for name, model in DEFAULTS.items())
    titles = [model.title for model in DEFAULTS.values()]
    assert len({title.lower() for title in titles}) == len(titles)
    assert all(0 < len(title) <= 26 for title in titles)


def test_models_say_in_one_line_why_they_are_interesting():
    reasons = [model.why for model in DEFAULTS.values()]
    assert len(set(reasons)) == len(reasons)
    assert all(re.fullmatch(r"[A-Z][^\n$\\]{30,160}\.", why) for why in reasons)


@pytest.mark.parametrize("name", ees.MODELS)
def test_parameters_are_the_arguments_of_the_factory_in_order(name):
    arguments = inspect.signature(ees.MODELS[name]).parameters.values()
    parameters = DEFAULTS[name].parameters
    assert [(a.name, a.default) for a in arguments] == [(p.name, p.value) for p in parameters]
    assert all(p.low < p.high for p in parameters)


@pytest.mark.parametrize("name, parameter", PARAMETERS, ids=IDS)
def test_a_value_outside_the_range_is_refused_by_name_value_and_range(name, parameter):
    step = 1e-6 * (parameter.high - parameter.low)
    allowed = re.escape(f"from {parameter.low} to {parameter.high}")
    for value in (parameter.low - step, parameter.high + step, float("nan"), float("inf")):
        given = re.escape(f"{parameter.name}={value}: allowed ")
        with pytest.raises(ValueError, match=f"^{given}.*{allowed}"):
            _with(name, parameter.name, value)


@pytest.mark.parametrize("name, parameter", PARAMETERS, ids=IDS)
def test_the_ends_of_a_range_give_finite_fields(name, parameter):
    for value in (parameter.low, parameter.high):
        model = _with(name, parameter.name, value)
        assert {p.name: p.value for p in model.parameters}[parameter.name] == value
        y0 = jnp.asarray(model.y0)
        found = model.field(jnp.asarray(0.3), y0, _increment(model))
        assert found.shape == y0.shape and np.isfinite(found).all()


@pytest.mark.parametrize("name", ees.MODELS)
def test_the_state_has_a_symbol_for_each_entry_and_the_driver_fits_the_field(name):
    model = DEFAULTS[name]
    assert model.y0.shape == (len(model.components),) and model.y0.dtype == np.float64
    assert len(set(model.components)) == len(model.components)
    given = model.driver(jr.key(0), model.horizon, 2, lattice=2).increment(0).dw
    needed = () if model.noise_shape is None else jnp.zeros(model.noise_shape)
    assert jtu.tree_map(jnp.shape, given) == jtu.tree_map(jnp.shape, needed)


@pytest.mark.parametrize("name", ees.MODELS)
def test_horizon_and_steps_are_ones_that_an_experiment_takes(name):
    model = DEFAULTS[name]
    experiment = ees.Experiment(model=name)
    assert (experiment.steps, experiment.horizon) == (model.steps, model.horizon)
    assert model.steps in STEP_COUNTS


@pytest.mark.parametrize("name", ees.MODELS)
def test_equations_are_balanced_latex(name):
    latex = DEFAULTS[name].latex
    assert latex and "$" not in latex and "  " not in latex
    plain = latex.replace(r"\{", "").replace(r"\}", "")
    depth = np.cumsum([{"{": 1, "}": -1}.get(c, 0) for c in plain])
    assert depth.min() >= 0 and depth[-1] == 0
    for opening, closing in (("(", ")"), (r"\left", r"\right"), (r"\langle", r"\rangle")):
        assert latex.count(opening) == latex.count(closing)
    environments = re.findall(r"\\(begin|end)\{(\w+)\}", latex)
    assert [e for end, e in environments if end == "begin"] == [
        e for end, e in environments if end == "end"
    ]


@pytest.mark.parametrize("name", ees.MODELS)
def test_symbols_can_be_typeset(name):
    model = DEFAULTS[name]
    parser = MathTextParser("path")
    for symbol in (*model.components, *(p.symbol for p in model.parameters)):
        assert parser.parse(f"${symbol}$").width > 0


@pytest.mark.parametrize("name", ees.MODELS)
def test_a_field_in_single_precision_stays_there(name):
    model = DEFAULTS[name]
    single = jtu.tree_map(
        lambda leaf: jnp.asarray(leaf, jnp.float32) if eqx.is_inexact_array(leaf) else leaf,
        (model.field, model.y0),
    )
    t = jnp.asarray(0.3, jnp.float32)
    for coefficient in jtu.tree_leaves(eqx.filter_eval_shape(single[0].coefficients, t, single[1])):
        assert coefficient.dtype == jnp.float32
    moved = eqx.filter_eval_shape(single[0], t, single[1], _increment(model, jnp.float32))
    assert moved.dtype == jnp.float32


@pytest.mark.parametrize("name", ees.MODELS)
def test_every_parameter_has_a_gradient_and_compiles_nothing_new(name):
    model, traces = DEFAULTS[name], []
    dx = _increment(model)

    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(arrays):
        traces.append(None)
        field, y = arrays
        for i in range(2):
            y = ees.Heun().step(field, i * dx.dt, y, dx)
        return jnp.vdot(jnp.cos(jnp.arange(y.size)), y)

    def arrays(model):
        return model.field, jnp.asarray(model.y0)

    here = gradient(arrays(model))
    leaves = jtu.tree_leaves(eqx.filter(arrays(model), eqx.is_inexact_array))
    for parameter in model.parameters:
        if parameter.name in STRUCTURAL.get(name, ()):
            continue
        other = arrays(_with(name, parameter.name, _elsewhere(parameter)))
        gradient(other)
        assert len(traces) == 1, f"{parameter.name} compiled anew"
        moved = [
            slope[before != after]
            for slope, before, after in zip(
                map(np.asarray, jtu.tree_leaves(here)),
                map(np.asarray, leaves),
                map(np.asarray, jtu.tree_leaves(eqx.filter(other, eqx.is_inexact_array))),
                strict=True,
            )
        ]
        assert any(part.size for part in moved), f"{parameter.name} changes nothing"
        assert np.isfinite(np.concatenate(moved)).all()
        assert np.abs(np.concatenate(moved)).max() > 0, f"{parameter.name} has no gradient"


@pytest.mark.parametrize("name, parameter", WHOLE, ids=[f"{n}-{p.name}" for n, p in WHOLE])
def test_whole_parameters_are_rounded(name, parameter):
    near, whole, next_ = (_with(name, parameter.name, v) for v in (7.4, 7.0, 8.0))
    assert eqx.tree_equal((near.field, near.y0), (whole.field, whole.y0))
    assert not eqx.tree_equal((next_.field, next_.y0), (whole.field, whole.y0))


@pytest.mark.parametrize("name", EXACT)
def test_the_exact_solution_starts_at_the_start_and_agrees_with_rk4_on_the_lattice(name):
    # Not the default parameters, where a term that is missing may be 0.
    moved = {p.name: 0.8 * p.value + 0.2 * _elsewhere(p) for p in DEFAULTS[name].parameters}
    for model, horizon in ((DEFAULTS[name], None), (ees.MODELS[name](**moved), 1.0)):
        horizon = model.horizon if horizon is None else horizon
        driver = model.driver(jr.key(3), horizon, LATTICE)
        solution = ees.solve(model.field, ees.RK4(), driver, model.y0, save="all")
        ws = getattr(driver, "values", jnp.zeros((LATTICE + 1, 1)))
        exact = eqx.filter_jit(model.exact)(solution.ts, ws)
        assert exact.shape == solution.ys.shape
        np.testing.assert_allclose(exact[0], model.y0, rtol=1e-14, atol=1e-14)
        # RK4's own error: a lattice step is a smooth piece of size sqrt(1 / 20160).
        np.testing.assert_allclose(solution.ys, exact, rtol=0, atol=1e-7 * np.abs(exact).max())
