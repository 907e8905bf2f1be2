"""The stability pages: domains, eigenvalues, the probe and second moments, against NumPy."""

import dataclasses

import numpy as np
import pytest
from numpy.polynomial.hermite_e import hermegauss

import ees
from ees import Experiment
from ees.drivers import LATTICE
from ees.experiment import STEP_COUNTS
from ees.questions import plane
from ees.questions.probe import probed


RUNGE_KUTTA = ("EES25", "EES27", "Euler", "Heun", "Kutta3", "RK4")
LIMITS = dict(zip(RUNGE_KUTTA, (-3.0874, -3.9156, -2.0, -2.0, -2.5127, -2.7853)))
ORDERS = dict(zip(RUNGE_KUTTA, (2, 2, 1, 2, 3, 4)))
EVALUATIONS = dict(zip(RUNGE_KUTTA, (3, 4, 1, 2, 3, 4)))


def _growth(name, z):
    """R(z) = 1 + z b (1 - z A)^-1 1, from the tableau."""
    table = ees.SCHEMES[name]().tableau
    a = np.zeros((len(table.b),) * 2)
    for i, row in enumerate(table.a):
        a[i, : len(row)] = row
    z = np.asarray(z, complex)
    ones = np.ones(z.shape + (len(table.b), 1))
    stages = np.linalg.solve(np.eye(len(table.b)) - z[..., None, None] * a, ones)[..., 0]
    return 1 + z * (stages @ np.array(table.b))


def _stability(**fields):
    return Experiment(view="stability", **fields)


def _regions(plot):
    return {region.key: region for region in plot.regions}


def test_domains_are_those_of_the_tableaus_and_end_at_the_published_limits():
    drawn = _regions(ees.run(_stability(schemes=RUNGE_KUTTA)).plots[0])
    for name, limit in LIMITS.items():
        region = drawn[name]
        z = region.x + 1j * region.y[:, None]
        np.testing.assert_allclose(region.values, np.abs(_growth(name, z)), rtol=0, atol=1e-10)
        (row,) = np.flatnonzero(np.abs(region.y) < 1e-12)
        axis = region.values[row, region.x < -0.5][::-1]
        beyond = int(np.argmax(axis > 1))
        x = region.x[region.x < -0.5][::-1][beyond - 1 : beyond + 1]
        crossing = np.interp(1.0, axis[beyond - 1 : beyond + 1], x)
        assert crossing == pytest.approx(limit, abs=2e-3)
    assert [name for name, region in drawn.items() if region.shaded] == ["EES25"]


def test_axes_per_evaluation_divide_by_the_evaluations():
    experiment = _stability(schemes=RUNGE_KUTTA, choices={"axes": "evaluation", "shaded": "none"})
    drawn = _regions(ees.run(experiment).plots[0])
    for name, count in EVALUATIONS.items():
        z = (drawn[name].x + 1j * drawn[name].y[:, None]) * count
        wanted = np.abs(_growth(name, z))
        np.testing.assert_allclose(drawn[name].values, wanted, rtol=0, atol=1e-10)
    assert not any(region.shaded for region in drawn.values())


def test_a_domain_without_an_interior_is_a_piece_of_the_imaginary_axis():
    plot = ees.run(_stability(schemes=("EES25", "ReversibleHeun"))).plots[0]
    assert set(_regions(plot)) == {"EES25"}
    (line,) = [series for series in plot.series if series.key == "ReversibleHeun"]
    assert (line.x == 0).all()
    assert (line.y.min(), line.y.max()) == pytest.approx((-1.0, 1.0))


def _van_der_pol(experiment, mu):
    """The eigenvalues along the reference, of the Jacobian by hand."""
    points = experiment.reference()[:: LATTICE // 63]
    rows = [[[0, 1], [-2 * mu * x * v - 1, mu * (1 - x * x)]] for x, v in points]
    return np.linalg.eigvals(np.array(rows)).ravel()


@pytest.mark.parametrize("steps", [504, 45])
def test_the_dots_are_the_eigenvalues_of_the_jacobian_times_h_and_turn_outside(steps):
    parameters = {"mu": 4.0, "sigma": 0.3}
    experiment = _stability(
        model="van_der_pol", parameters=parameters, steps=steps, schemes=("EES25", "RK4")
    )
    report = ees.run(experiment)
    h = experiment.horizon / steps
    z = _van_der_pol(experiment, 4.0) * h
    worst = np.max([np.abs(_growth(name, z)) for name in ("EES25", "RK4")], axis=0)
    parts = {
        "decays": (z.real < 0) & (worst <= 1),
        "outside": (z.real < 0) & (worst > 1),
        "grows": z.real >= 0,
    }
    assert parts["outside"].any() == (steps == 45)
    dots = {series.key: series for series in report.plots[0].series}
    for key, part in parts.items():
        if part.any():
            found = dots[key].x + 1j * dots[key].y
            found, wanted = np.sort_complex(found), np.sort_complex(z[part])
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-10)
    falls = (z.real < 0).sum()
    for name, message in zip(("EES25", "RK4"), report.messages):
        outside = (np.abs(_growth(name, z[z.real < 0])) > 1).sum()
        where = "beyond" if outside else "within"
        label = ees.SCHEMES[name]().name
        assert message.startswith(f"{label}: h = {h:.4g} is {where} its critical step, ")
        assert f"{outside} of {falls} decaying eigenvalues" in message
    assert f"decaying: {falls}" in report.plots[0].caption


def test_schemes_with_steps_of_their_own_have_dots_of_their_own():
    parameters = {"theta": 2.0, "mu": 0.0, "sigma": 0.5}
    experiment = _stability(
        parameters=parameters, steps=60, equal="evaluations", schemes=("EES25", "Euler", "RK4")
    )
    dots = [s for s in ees.run(experiment).plots[0].series if s.look == "dots"]
    for name in experiment.schemes:
        (own,) = [series for series in dots if series.key == name]
        assert own.x == pytest.approx([-2.0 * experiment.horizon / experiment.steps_of(name)])
    # At equal evaluations and per evaluation they fall together, but for the lattice of steps.
    shared = dataclasses.replace(experiment, choices={"axes": "evaluation"}, steps=60)
    places = [s.x[0] for s in ees.run(shared).plots[0].series if s.look == "dots"][:-1]
    np.testing.assert_allclose(places, -2.0 * experiment.horizon / 240, rtol=0.15)


def test_no_step_is_small_enough_for_reversible_heun_which_turns_no_dot():
    report = ees.run(_stability(schemes=("EES25", "ReversibleHeun"), steps=504))
    keys = {series.key for series in report.plots[0].series}
    assert "decays" in keys and "outside" not in keys
    assert "every step is too large; 1 of 1" in report.messages[1]
    caption = report.plots[0].caption
    assert "not counting Reversible Heun. No step is small enough for Reversible Heun." in caption


def test_the_step_slider_moves_dots_and_computes_no_domain(compilations):
    experiment = _stability(model="van_der_pol", schemes=("EES25", "ReversibleHeun"))
    first = ees.run(experiment).plots[0]
    known = plane._domain.cache_info().misses
    with compilations() as found:
        plots = [ees.run(dataclasses.replace(experiment, steps=n)).plots[0] for n in STEP_COUNTS]
    assert found == [] and plane._domain.cache_info().misses == known
    assert all(p.regions[0].values is first.regions[0].values for p in plots)
    assert len({p.title for p in plots}) == len(STEP_COUNTS)


def _sizes(plot, key):
    forward, back = (s for s in plot.series if s.key == key)
    assert (forward.look, back.look) == ("line", "dots")
    return forward, back


@pytest.mark.parametrize("z", [-1 + 1j, 0.1 - 0.7j])
def test_the_probe_runs_the_test_equation_there_and_back(z):
    choices = {"probe_re": z.real, "probe_im": z.imag}
    schemes = ("EES25", "RK4", "ReversibleHeun")
    plot = ees.run(_stability(schemes=schemes, choices=choices)).plots[1]
    n = np.arange(25)
    np.testing.assert_allclose(plot.series[0].y, np.exp(z.real * plot.series[0].x), rtol=1e-10)
    for name in ("EES25", "RK4"):
        there, back = complex(_growth(name, z)), complex(_growth(name, -z))
        forward, backward = _sizes(plot, name)
        np.testing.assert_array_equal(forward.x, n)
        np.testing.assert_allclose(forward.y, abs(there) ** n, rtol=1e-10)
        wanted = abs(there) ** 24 * abs(back) ** (24 - n)
        np.testing.assert_allclose(backward.y, wanted, rtol=1e-10)
        assert f"{ees.SCHEMES[name]().name} {abs(there):.4g}" in plot.caption
    matrix = np.array([[1 + z, z**2 / 2], [2, z - 1]])
    pairs = [np.linalg.matrix_power(matrix, k) @ [1, 1] for k in n]
    forward, _ = _sizes(plot, "ReversibleHeun")
    wanted = np.abs([y for y, _ in pairs])
    # At z = -1 + i the first step gives exactly 0, which a logarithmic axis cannot show.
    np.testing.assert_array_equal(forward.x, n[wanted > 0])
    np.testing.assert_allclose(forward.y, wanted[wanted > 0], rtol=1e-10)


def test_a_click_on_the_plane_moves_the_probe_and_one_beside_it_nothing():
    experiment = _stability(choices={"axes": "evaluation"})
    fields = probed(experiment, "stability-domain", -0.51234, 99.0)
    choices = {"axes": "evaluation", "probe_re": -0.512, "probe_im": 8.0}
    assert fields == {"choices": choices}
    plots = ees.run(dataclasses.replace(experiment, **fields)).plots
    (probe,) = [series for series in plots[0].series if series.key == "probe"]
    assert (probe.x.tolist(), probe.y.tolist()) == ([-0.512], [8.0])
    assert plots[1].x.label == "field evaluations"
    assert probed(experiment, "stability-probe", -1.0, 1.0) == {}


@pytest.mark.parametrize("section", ["real", "imaginary", "diagonal", "across", "angles"])
@pytest.mark.parametrize("definition", ["second_moment", "published"])
@pytest.mark.parametrize("reading, noise", [("stratonovich", "deviation"), ("ito", "variance")])
def test_second_moments_are_those_of_a_quadrature_by_hand(section, definition, reading, noise):
    choices = {"section": section, "definition": definition, "reading": reading, "noise": noise}
    choices |= {"drift_angle": 150, "noise_angle": 40}
    experiment = _stability(part="mean_square", schemes=("EES27", "RK4"), choices=choices)
    (plot,) = ees.run(experiment).plots
    directions = {
        "real": (1, 1),
        "imaginary": (1j, 1j),
        "diagonal": (1 + 1j, 1 + 1j),
        "across": (1 + 1j, 1 - 1j),
        "angles": (np.exp(150j * np.pi / 180), np.exp(40j * np.pi / 180)),
    }
    drift, diffusion = directions[section]
    region = plot.regions[0]
    a, b = region.x[::10], region.y[::8, None]
    variance = diffusion * b if noise == "variance" else (diffusion * b) ** 2 + 0j
    mean = drift * a - (variance / 2 if reading == "ito" else 0)
    nodes, weights = hermegauss(60)
    rho = mean[..., None] + np.sqrt(variance + 0j)[..., None] * nodes
    weights = weights / weights.sum()
    square = np.square if definition == "published" else lambda r: np.abs(r) ** 2
    for key, growth in (
        ("reference", np.exp),
        *((name, lambda z, name=name: _growth(name, z)) for name in ("EES27", "RK4")),
    ):
        wanted = np.abs(square(growth(rho)) @ weights)
        if key in _regions(plot):
            found = _regions(plot)[key].values[::8, ::10]
            np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-10)
        else:
            assert (wanted > 1 - 1e-9).all()


def test_on_the_imaginary_section_ees_is_stable_nowhere_and_the_published_factor_hides_it():
    schemes = ("EES25", "ReversibleHeun", "ImplicitMidpoint")
    honest = _stability(part="mean_square", schemes=schemes, choices={"section": "imaginary"})
    report = ees.run(honest)
    assert set(_regions(report.plots[0])) == {"reference"}
    assert "EES(2,5) is stable nowhere inside of this picture." in report.messages
    assert "Reversible Heun is stable nowhere inside of this picture." in report.messages
    assert any(m.startswith("Implicit midpoint is not drawn") for m in report.messages)
    published = dataclasses.replace(
        honest, choices={"section": "imaginary", "definition": "published"}
    )
    report = ees.run(published)
    assert "EES25" in _regions(report.plots[0])
    assert any("says nothing of stability" in message for message in report.messages)


def test_order_stars_are_the_ratio_and_tell_the_order():
    (plot,) = ees.run(_stability(part="order_star", schemes=RUNGE_KUTTA)).plots
    for name, order in ORDERS.items():
        region = _regions(plot)[name]
        z = region.x + 1j * region.y[:, None]
        wanted = np.abs(_growth(name, z) / np.exp(z))
        np.testing.assert_allclose(region.values, wanted, rtol=1e-10)
        assert f"{region.label} {order + 1}, so its order is {order}" in plot.caption


@pytest.mark.parametrize("model", ["stiff_gbm", "rough"])
def test_every_kind_of_model_has_a_picture_at_tiny_and_at_huge_steps(model):
    schemes = ("EES25", "McCallumFoster", "ReversibleHeun")
    for steps, precision in ((2, "float32"), (5040, "float64")):
        report = ees.run(_stability(model=model, steps=steps, precision=precision, schemes=schemes))
        assert len(report.messages) >= len(schemes)
        for plot in report.plots:
            assert all(np.isfinite(s.x).all() and np.isfinite(s.y).all() for s in plot.series)
