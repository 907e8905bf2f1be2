"""Every number of the gradients page against derivatives in NumPy, of a linear equation."""

import dataclasses

import numpy as np
import pytest

import ees
from ees import Experiment
from ees.drivers import LATTICE
from ees.questions.gradients.cost import COUNTS as COST_COUNTS
from ees.questions.gradients.error import COUNTS


THETA, MU, SIGMA, Y0 = 1.5, 0.25, 0.5, 2.0
OU = {"parameters": {"theta": THETA, "mu": MU, "sigma": SIGMA, "y0": Y0}, "horizon": 3.0}
TRUTH = np.array([THETA, MU, SIGMA, Y0])
TINY = 1e-30


def _run(**fields):
    report = ees.run(Experiment(view="gradients", **fields))
    return report, [{series.key: series for series in plot.series} for plot in report.plots]


def _path(experiment, steps):
    values = np.asarray(experiment.problem("Heun", 2).driver.values)[:, 0]
    every = slice(None, None, LATTICE // steps)
    return np.linspace(0.0, experiment.horizon, LATTICE + 1)[every], values[every]


class Hand:
    """Gradients of |y(T)|^2 / 2 with respect to (theta, mu, sigma, y0), by complex steps."""

    def __init__(self, name, butcher_step, ts, ws):
        self.table, self._step = ees.SCHEMES[name]().tableau, butcher_step
        self.increments = list(zip(np.diff(ts), np.diff(ws)))

    def step(self, y, dt, dw, theta=THETA, mu=MU, sigma=SIGMA):
        drift, diffusion = (lambda t, y: theta * (mu - y)), (lambda t, y: sigma)
        return self._step(self.table, drift, diffusion, 0.0, y, dt, dw)

    def there(self):
        ys = [Y0]
        for dt, dw in self.increments:
            ys.append(self.step(ys[-1], dt, dw))
        return ys

    def exact(self):
        """Of the whole solve as one function: no adjoint at all."""
        found = []
        for i in range(4):
            *parameters, y = TRUTH + 1j * TINY * (np.arange(4) == i)
            for dt, dw in self.increments:
                y = self.step(y, dt, dw, *parameters)
            found.append((y**2 / 2).imag / TINY)
        return np.array(found)

    def reversible(self, every=None):
        """Along rebuilt states, the true ones again at every checkpoint."""
        there = self.there()
        state = there[-1]
        gradient, adjoint = np.zeros(4), there[-1]
        for i, (dt, dw) in reversed(list(enumerate(self.increments))):
            state = self.step(state, -dt, -dw)
            if every is not None and i % every == 0:
                state = there[i]
            for j in range(3):
                varied = TRUTH[:3] + 1j * TINY * (np.arange(3) == j)
                gradient[j] += adjoint * self.step(state, dt, dw, *varied).imag / TINY
            adjoint = adjoint * self.step(state + 1j * TINY, dt, dw).imag / TINY
        return np.append(gradient[:3], adjoint)

    def continuous(self):
        """The adjoint equation and the solution together, by the same scheme, backwards."""
        y = self.there()[-1]
        state = np.array([y, y, 0.0, 0.0, 0.0])

        def drift(t, s):
            y, a, *_ = s
            return np.array([THETA * (MU - y), THETA * a, -a * (MU - y), -a * THETA, 0.0])

        def diffusion(t, s):
            return np.array([SIGMA, 0.0, 0.0, 0.0, -s[1]])

        for dt, dw in reversed(self.increments):
            state = self._step(self.table, drift, diffusion, 0.0, state, -dt, -dw)
        return np.append(state[2:], state[1])


def _off(one, other):
    return np.linalg.norm(one - other) / np.linalg.norm(other)


@pytest.mark.parametrize("adjoint", ["sparse", "continuous"])
def test_each_adjoint_has_the_error_of_an_independent_computation(adjoint, butcher_step):
    choices = {"adjoint": adjoint, "every": 7}
    fields = {**OU, "seed": 11, "schemes": ("EES25",), "choices": choices}
    _, (error, cosine, _) = _run(**fields)
    fine = Hand("RK4", butcher_step, *_path(Experiment(**fields), LATTICE)).exact()
    own = dict(zip(error["EES25/own"].x, error["EES25/own"].y))
    for i, n in enumerate(sorted(COUNTS, reverse=True)):
        hand = Hand("EES25", butcher_step, *_path(Experiment(**fields), n))
        exact = hand.exact()
        g = hand.reversible(every=7) if adjoint == "sparse" else hand.continuous()
        drawn = dict(zip(error["EES25"].x, error["EES25"].y)).get(3.0 / n, 0.0)
        np.testing.assert_allclose(drawn, _off(g, exact), rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(own[3.0 / n], _off(exact, fine), rtol=1e-8, atol=1e-10)
        angle = g @ exact / np.linalg.norm(g) / np.linalg.norm(exact)
        np.testing.assert_allclose(cosine["EES25"].y[i], angle, rtol=0, atol=1e-10)


def test_recursive_checkpoints_are_exact_at_every_step():
    fields = {**OU, "schemes": ("EES25",), "choices": {"adjoint": "recursive"}}
    report, (error, cosine, signs) = _run(**fields)
    assert (error["EES25"].y < 1e-13).all()
    np.testing.assert_allclose(cosine["EES25"].y, 1.0, rtol=0, atol=1e-14)
    assert (signs["EES25"].y == 1).all() and len(signs["EES25"].y) == len(COUNTS)
    assert report.messages[0].endswith("(it rebuilds no state).")


def test_over_the_horizon_the_loss_is_at_earlier_times_of_the_same_path(butcher_step):
    fields = {**OU, "part": "horizon", "seed": 11, "schemes": ("EES25",), "steps": 72}
    report, (error, cosine) = _run(**fields)
    ts, ws = _path(Experiment(**OU, seed=11), 72)
    ends = 6 * np.arange(1, 13)
    np.testing.assert_allclose(cosine["EES25"].x, ts[ends], rtol=1e-12)
    drawn = dict(zip(np.round(error["EES25"].x * 24), error["EES25"].y))
    for i, n in enumerate(ends):
        hand = Hand("EES25", butcher_step, ts[: n + 1], ws[: n + 1])
        g, exact = hand.reversible(), hand.exact()
        np.testing.assert_allclose(drawn[n], _off(g, exact), rtol=1e-9, atol=1e-10)
        angle = g @ exact / np.linalg.norm(g) / np.linalg.norm(exact)
        np.testing.assert_allclose(cosine["EES25"].y[i], angle, rtol=0, atol=1e-10)
    assert report.total == 12


def test_every_parameter_has_its_own_gradient(butcher_step):
    fields = {**OU, "part": "parameters", "seed": 11, "schemes": ("EES25", "RK4"), "steps": 20}
    report, (found,) = _run(**fields)
    experiment = Experiment(**OU, seed=11)
    fine = Hand("RK4", butcher_step, *_path(experiment, LATTICE)).exact()
    names = "1 drift.theta, 2 drift.mu, 3 diffusion.matrix[0, 0], 4 y0[0]"
    assert names in report.plots[0].caption
    np.testing.assert_allclose(found["reference"].y, fine, rtol=1e-9, atol=1e-10)
    assert found["reference"].look == "bars" and found["EES25"].look == "dots"
    for name in fields["schemes"]:
        hand = Hand(name, butcher_step, *_path(experiment, 20))
        for key, g in ((name, hand.reversible()), (f"{name}/exact", hand.exact())):
            np.testing.assert_allclose(found[key].y, g, rtol=1e-9, atol=1e-10)


def test_the_verdict_has_the_numbers_that_theory_gives():
    # EES(2,5) misses by |z|^6 / 64 a step; its growth is |1 + z + z^2/2 + z^3/8|.
    fields = {**OU, "part": "parameters", "schemes": ("EES25", "RK4"), "steps": 60}
    good, _ = _run(**fields)
    z = THETA * 3.0 / 60
    assert good.messages[0].startswith("EES(2,5), h = 0.05: trust: error ")
    assert f"|λh| up to {z:.2g} along the path" in good.messages[0]
    assert f"a step back misses by {z**6 / 64:.1g} of the state" in good.messages[0]
    parameters = {**OU["parameters"], "theta": 30.0}
    bad, _ = _run(**{**fields, "parameters": parameters, "steps": 20})
    z = -30.0 * 3.0 / 20
    assert "EES(2,5), h = 0.15: do not train at this step: error" in bad.messages[0]
    growth = abs(1 + z + z**2 / 2 + z**3 / 8)
    assert f"what should decay grows {growth:.2g} times a step" in bad.messages[0]
    # The exact gradient of a solution that blows up is no gradient to train with.
    unstable = {**fields, "schemes": ("ReversibleHeun",), "steps": 20, "parameters": parameters}
    lost, *_ = _run(**unstable)[0].messages
    assert lost.startswith("Reversible Heun, h = 0.15: do not train at this step: ")
    # Where there is room for one sentence, it is the warning.
    both = {**unstable, "schemes": ("EES25", "ReversibleHeun"), "steps": 60}
    first, second = _run(**both)[0].messages
    assert first.startswith("Reversible Heun, h = 0.05: do not train at this step: ")
    assert second.startswith("EES(2,5), h = 0.05: ") and "do not train" not in second
    steep = {**OU["parameters"], "theta": 6.0}
    exact, *_ = _run(**{**unstable, "parameters": steep, "steps": 24})[0].messages
    assert "do not train at this step: the adjoint's error is" in exact


def test_the_cost_is_the_compilers_and_the_schemes():
    choices = {"every": 12}
    experiment = Experiment(**OU, view="gradients", part="cost", choices=choices)
    # One adjoint is measured again, by itself; the first scheme alone is asked for.
    report = ees.run(dataclasses.replace(experiment, schemes=("EES25", "RK4")))
    memory, evaluations = ({s.key: s for s in plot.series} for plot in report.plots)
    field, scheme, driver, y0 = experiment.problem("EES25", LATTICE)
    again = ees.memory(field, scheme, driver.with_steps(COST_COUNTS[0]), y0)
    assert memory["reversible"].y[0] == again.temp_bytes
    assert len(set(memory["reversible"].y)) == 1
    grown = {key: s.y[-1] / s.y[0] for key, s in memory.items()}
    steps = COST_COUNTS[-1] / COST_COUNTS[0]
    assert 1 < grown["recursive"] < steps**0.6 and 1 < grown["sparse"] < grown["tape"]
    assert 0.8 * steps < grown["tape"] < 1.2 * steps
    n = np.array(COST_COUNTS)
    # Three stages; the way back evaluates its first one together with the step's first.
    wanted = {"tape": 3, "reversible": 3 + 5, "continuous": 6}
    for key, each in wanted.items():
        np.testing.assert_array_equal(evaluations[key].y, each * n)
    assert "EES(2,5)" in report.plots[0].title and "RK4" not in report.plots[0].title


def test_a_gradient_that_underflows_to_zero_is_no_gradient_to_train_with():
    # exp(-2 mu T) is 1e-91 where float32 ends at 1e-45.
    fields = {
        "view": "gradients",
        "model": "geometric_brownian_motion",
        "schemes": ("EES25", "Heun"),
        "steps": 144,
        "precision": "float32",
        "horizon": 100.0,
    }
    report = ees.run(Experiment(**fields, part="error"))
    (verdict,) = [text for text in report.messages if text.startswith("EES(2,5), h = ")]
    assert "do not train at this step: a gradient of 0, which the exact one is not" in verdict
    assert any("the error is as large as the gradient itself" in text for text in report.messages)
