"""How far apart may checkpoints be? Found by running the equation there and back."""

import dataclasses
import math

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu

from ees._pytree import distance
from ees.adjoints.stepwise import missed


@dataclasses.dataclass(frozen=True)
class Settled:
    """What `Reversible.settle` measured. No compiled program depends on it.

    - `defect`: the largest reconstruction defect with the spacing that was picked; `size`: the
      largest Euclidean norm of the solution on the way; both in units of the state.
    - `tolerance`: what was asked of `defect / size`.
    """

    # Fields that do not take part in equality: two settled adjoints share their programs.
    defect: float = dataclasses.field(compare=False)
    size: float = dataclasses.field(compare=False)
    tolerance: float = dataclasses.field(compare=False)


def widest_spacing(scheme, field, driver, y0, tolerance) -> tuple[int | None, Settled]:
    """The widest spacing whose defect is within the tolerance; `None` is no checkpoints at all.

    **Raises:** `ValueError` if a value is traced.
    """
    scheme, field, driver, y0 = _concrete((scheme, field, driver, y0))
    steps = int(driver.steps)
    driver = driver.with_steps(jnp.asarray(steps, jnp.int32))

    def measure(spacing):
        spacing = jnp.asarray(spacing, jnp.int32)
        defect, size = map(float, _there_and_back(scheme, field, driver, y0, spacing))
        return Settled(defect, size, tolerance), defect <= tolerance * size < math.inf

    note, within = measure(steps)
    if within:
        return None, note
    # With a spacing of 1 nothing is rebuilt: it needs no trial, and no spacing is safer.
    spacing, note = 1, Settled(0.0, note.size, tolerance)
    low, high = 0, (steps - 1).bit_length()
    while high - low > 1:
        middle = (low + high) // 2
        found, within = measure(2**middle)
        if within:
            low, spacing, note = middle, 2**middle, found
        else:
            high = middle
    return spacing, note


def traced(tree) -> bool:
    """Whether any leaf has no value yet."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jtu.tree_leaves(tree))


@eqx.filter_jit
def _there_and_back(scheme, field, driver, y0, spacing):
    """The largest defect of stretches of `spacing` steps back, and of the solution's norms."""

    def size_of(state):
        value = scheme.value(state)
        return distance(value, jtu.tree_map(jnp.zeros_like, value))

    def stretch(carry):
        first, state, defect, size = carry
        last = jnp.minimum(first + spacing, driver.steps)

        def forwards(i, carry):
            state, size = carry
            state = scheme.step(field, driver.time(i), state, driver.increment(i))
            return state, jnp.maximum(size, size_of(state))

        def backwards(j, state):
            i = last - 1 - j
            return scheme.reverse_step(field, driver.time(i), state, driver.increment(i))

        after, size = jax.lax.fori_loop(first, last, forwards, (state, size))
        found = jax.lax.fori_loop(0, last - first, backwards, after)
        return last, after, jnp.maximum(defect, missed(scheme, found, state)), size

    state = scheme.init(field, driver.time(0), y0)
    size = size_of(state)
    start = jnp.zeros_like(spacing), state, jnp.zeros_like(size), size
    _, _, defect, size = jax.lax.while_loop(lambda carry: carry[0] < driver.steps, stretch, start)
    return defect, size


def _concrete(problem):
    """The values, free of derivatives under way: those are concrete even where they are traced."""
    problem = jtu.tree_map(
        lambda leaf: jax.lax.stop_gradient(leaf) if eqx.is_inexact_array(leaf) else leaf, problem
    )
    if traced(problem):
        raise ValueError(
            'checkpoint_every="auto": the spacing is found by running the equation, and here its '
            "values are traced; call adjoint.settle(field, scheme, driver, y0) outside of jit and "
            "vmap first, and solve with what it returns."
        )
    return problem
