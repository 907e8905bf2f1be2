"""What a gradient costs: bytes by the compiler's account, evaluations by a count."""

import equinox as eqx
import jax, jax.numpy as jnp
import pytest

import ees


OPTIMISED = True
DIM, LATTICE = 4, 640


class Cubic(eqx.Module):
    """A non-linear term, so that a gradient needs the states."""

    weights: jax.Array

    def __call__(self, t, y):
        return -self.weights * y**3


FIELD = ees.SDE(Cubic(jnp.ones(DIM)), Cubic(0.1 * jnp.ones(DIM)), ees.Diagonal())


def _driver(steps):
    return ees.BrownianPath(jax.random.key(0), 0.0, 1.0, steps, (DIM,), lattice=LATTICE)


@pytest.fixture(scope="module")
def cost():
    """`cost(scheme, adjoint, steps)` of an equation in four dimensions, each computed once."""
    known = {}

    def measure(name, adjoint, steps):
        if (name, adjoint, steps) not in known:
            scheme, kind = ees.SCHEMES[name](), getattr(ees, adjoint)()
            known[name, adjoint, steps] = ees.memory(
                FIELD, scheme, _driver(steps), jnp.ones(DIM), kind
            )
        return known[name, adjoint, steps]

    return measure


@pytest.mark.parametrize("name", ["EES27", "Heun", "McCallumFoster", "AsynchronousLeapfrog"])
def test_a_further_step_costs_what_the_scheme_says_and_a_vjp_for_each_evaluation(name):
    scheme = ees.SCHEMES[name]()
    field, clock = ees.ODE(Cubic(jnp.ones(2))), ees.Clock(0.0, 1.0, 4)
    found = ees.memory(field, scheme, clock, jnp.ones(2))
    assert found.forward_evaluations == found.vjps == scheme.evaluations
    assert found.backward_evaluations == scheme.backward_evaluations


def test_an_implicit_scheme_differentiates_one_evaluation_however_many_it_makes():
    field, clock = ees.ODE(Cubic(jnp.ones(2))), ees.Clock(0.0, 1.0, 4)
    scheme = ees.ImplicitMidpoint()
    found = ees.memory(field, scheme, clock, jnp.ones(2))
    assert 2 <= found.forward_evaluations <= scheme.evaluations
    assert found.vjps == 1


def test_each_adjoint_pays_for_the_states_that_it_did_not_keep(cost):
    # EES(2,5): the step back and the step forwards share their first stage.
    for adjoint, wanted in (("FullBackprop", 0), ("StoredStates", 3), ("Reversible", 5)):
        assert cost("EES25", adjoint, 160).backward_evaluations == wanted
    repeated = cost("EES25", "RecursiveCheckpoint", 160).backward_evaluations
    assert 5.5 < repeated < 6  # nearly every step once more
    assert cost("ReversibleHeun", "Reversible", 160).backward_evaluations == 2


class Tallied(ees.AbstractField):
    """An equation that counts in Python how often it is evaluated."""

    tally: list = eqx.field(static=True)

    def coefficients(self, t, y):
        self.tally.append(1)
        return -(y**3)

    def contract(self, coefficients, dx):
        return dx.dt * coefficients

    def noise_shape(self, t, y):
        return None


def test_the_count_is_that_of_a_run_without_compilation():
    tally = []

    def evaluations(steps):
        tally.clear()
        with jax.disable_jit():
            jax.grad(
                lambda y: ees.solve(
                    Tallied(tally),
                    ees.EES25(),
                    ees.Clock(0.0, 1.0, steps),
                    y,
                    adjoint=ees.Reversible(),
                ).ys.sum()
            )(jnp.ones(1))
        return len(tally)

    each = (evaluations(4) - evaluations(2)) / 2
    found = ees.memory(Tallied([]), ees.EES25(), ees.Clock(0.0, 1.0, 4), jnp.ones(1))
    assert found.forward_evaluations + found.backward_evaluations == each == 8


def test_the_reversible_adjoint_takes_the_same_memory_to_the_byte_for_every_number_of_steps(cost):
    bytes_ = {cost("EES25", "Reversible", steps).temp_bytes for steps in (160, 640)}
    assert len(bytes_) == 1 and bytes_.pop() > 0


def test_stored_states_take_a_state_more_for_every_step_and_a_tape_far_more(cost):
    state = 8 * DIM
    few, many = (cost("EES25", "StoredStates", steps).temp_bytes for steps in (160, 320))
    assert many - few == 160 * state
    few, many = (cost("EES25", "FullBackprop", steps).temp_bytes for steps in (160, 320))
    assert many - few > 6 * 160 * state
    # Two buffers of 13 states each, for 160 steps.
    checkpoints = cost("EES25", "RecursiveCheckpoint", 160).temp_bytes
    assert 26 * state < checkpoints < few / 10


def test_the_bytes_are_those_of_the_gradient_that_a_user_would_compile(cost):
    @eqx.filter_jit
    @eqx.filter_grad
    def gradient(parameters, driver):
        field, y0 = parameters
        end = ees.solve(field, ees.EES25(), driver, y0, adjoint=ees.StoredStates()).ys[0]
        return 0.5 * jnp.vdot(end, end)

    lowered = gradient.lower((FIELD, jnp.ones(DIM)), _driver(160))
    sizes = lowered.compile().compiled.memory_analysis()
    found = cost("EES25", "StoredStates", 160)
    assert found.temp_bytes == pytest.approx(sizes.temp_size_in_bytes, rel=0.05)
    # Two times the weights, and the start; the path. Beside them, pointers and coefficients.
    assert 0 <= found.output_bytes - 3 * 8 * DIM <= 64
    assert 0 <= found.argument_bytes - (3 + LATTICE + 1) * 8 * DIM <= 512


def test_flops_are_of_one_turn_of_the_loops(cost):
    few, many = (cost("EES25", "Reversible", steps).flops for steps in (160, 640))
    assert few == pytest.approx(many, rel=0.02) and few > 100
    assert cost("EES25", "Reversible", 160).flops > cost("ReversibleHeun", "Reversible", 160).flops


def test_one_step_and_steps_in_an_array_are_counted_too():
    clock = ees.Clock(0.0, 1.0, jnp.asarray(1))
    found = ees.memory(ees.ODE(Cubic(jnp.ones(2))), ees.Heun(), clock, jnp.ones(2))
    assert found.forward_evaluations == found.vjps == 2
