"""Which adjoint? The fastest exact one that fits a budget of memory, and beyond that O(1)."""

import math

import equinox as eqx
import jax, jax.tree_util as jtu
from jaxtyping import Array, PyTree

from ees._pytree import as_arrays
from ees.adjoints.base import AbstractAdjoint
from ees.adjoints.reversible import Reversible
from ees.adjoints.spacing import traced
from ees.adjoints.stored import RecursiveCheckpoint, StoredStates
from ees.drivers import AbstractDriver
from ees.fields import AbstractField
from ees.schemes import AbstractScheme
from ees.trees import antisymmetric_order


# The antisymmetric order from which on a scheme's way back is taken without having tried it.
_TRUSTED = 5


class Auto(AbstractAdjoint):
    """Chooses by memory: `adjoint="auto"` is `Auto()`.

    In this order:

    1. `StoredStates`, if the states of all steps are within the budget: exact and the fastest.
    2. `RecursiveCheckpoint`, if its two buffers are: exact, every step computed once more.
    3. `Reversible`, in O(1) memory, also where the number of steps is traced and `max_steps` is
       not given; but only for a scheme that is reversible by algebra, or whose antisymmetric
       order is at least 5. At large steps the latter may be wrong without a sign of it, which is
       why exactness comes first and why `Reversible(checkpoint_every="auto")`, which measures,
       is better where values are known.
    4. `RecursiveCheckpoint` for every other scheme: over the budget, and right.

    The choice depends on shapes and numbers of steps, never on values, so that it is the same
    inside of `jit`. A solve that is mapped over sees one path: divide the budget by their
    number, or take `ees.ensemble`, which sees all.

    - `budget`: the bytes that the states kept may take, a positive number; $2^{30}$ unless given.
    - `max_steps`: the largest number of steps where that number is traced.
    - `chosen`, `reason`: what `choose` found, and why.

    **Raises:** `ValueError` for a `budget` that is not positive.
    """

    budget: float = eqx.field(static=True, default=2**30)
    max_steps: int | None = eqx.field(static=True, default=None)
    chosen: AbstractAdjoint | None = None
    reason: str = eqx.field(static=True, default="")

    def __check_init__(self):
        if not self.budget > 0:
            raise ValueError(f"budget={self.budget!r}: it must be a positive number of bytes.")

    def __str__(self):
        if self.chosen is None:
            return f"Auto(budget={_bytes(self.budget)})"
        return f"{type(self.chosen).__name__}: {self.reason}"

    @property
    def bounded(self) -> bool:
        return self.chosen is None or self.chosen.bounded

    def choose(
        self,
        field: AbstractField,
        scheme: AbstractScheme,
        driver: AbstractDriver,
        y0: PyTree[Array],
    ) -> "Auto":
        """The choice for a solve, which computes nothing.

        **Arguments:** as for `ees.solve`.

        **Returns:** an `Auto` with the adjoint in `chosen`; printed, it says which and why.
        """
        start = jax.eval_shape(lambda y: scheme.init(field, driver.time(0), as_arrays(y)), y0)
        state = sum(leaf.size * leaf.dtype.itemsize for leaf in jtu.tree_leaves(start))
        steps = None if isinstance(driver.steps, jax.core.Tracer) else int(driver.steps)
        steps = steps if self.max_steps is None else self.max_steps
        chosen, reason = self._among(scheme, state, steps)
        return Auto(self.budget, self.max_steps, chosen, reason)

    def _among(self, scheme, state, steps):
        if steps is not None:
            few = 2 * (math.isqrt(steps - 1) + 1)
            for count, kind in ((steps, StoredStates), (few, RecursiveCheckpoint)):
                if count * state <= self.budget:
                    size, room = _bytes(count * state), _bytes(self.budget)
                    reason = f"{count} states, {size}, are within the budget of {room}"
                    return kind(max_steps=self.max_steps), reason
        if steps is None:
            why = "the number of steps is traced and max_steps is not given"
        else:
            why = f"{steps} steps of {_bytes(state)} are beyond the budget of {_bytes(self.budget)}"
        if scheme.algebraic:
            return Reversible(), f"{why}, and {scheme.name} is reversible by algebra"
        if _trusted(scheme):
            return Reversible(), f"{why}, and the antisymmetric order is at least {_TRUSTED}"
        adjoint = RecursiveCheckpoint(max_steps=self.max_steps)
        return adjoint, f"{why}, and {scheme.name} cannot be trusted to run back"

    def ready(self, field, scheme, driver, y0):
        return self.choose(field, scheme, driver, y0).chosen

    def integrate(self, scheme, field, driver, y0, marks, capacity):
        chosen = self.chosen or self.choose(field, scheme, driver, y0).chosen
        return chosen.integrate(scheme, field, driver, y0, marks, capacity)


def _trusted(scheme) -> bool:
    if traced(scheme) or not hasattr(scheme, "tableau"):
        return False
    return antisymmetric_order(scheme, highest=_TRUSTED) == math.inf


def _bytes(number) -> str:
    """A number of bytes as people read it."""
    power = min(int(math.log10(max(number, 1)) // 3), 4)
    return f"{number / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"
