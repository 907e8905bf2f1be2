"""The reversible adjoint: the trajectory rebuilt backwards."""

import dataclasses
import math
from typing import Literal

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float, PyTree

from ees._pytree import as_arrays, select
from ees.adjoints.spacing import Settled, traced, widest_spacing
from ees.adjoints.stepwise import Stepwise, missed
from ees.drivers import AbstractDriver
from ees.fields import AbstractField
from ees.schemes import AbstractScheme


class Reversible(Stepwise):
    """Rebuilds the trajectory backwards with the scheme's own reverse step: O(1) memory.

    As exact as the reverse step: to round-off for algebraically reversible schemes; for a
    Runge-Kutta scheme the gradient's error is of the scheme's antisymmetric order in the step
    size. At large steps it fails, and nothing in the gradient shows it. Two remedies:

    - `checkpoint_every=k` keeps the states before steps k, 2k, ... and starts afresh from each,
      so that no more than k steps back add up: steps / k states of memory. With k = 1 nothing
      is rebuilt and it is `StoredStates`; from k = steps on nothing is kept. `"auto"` leaves k
      to `settle`.
    - The derivative with respect to `probe` is, in place of a derivative, the largest
      *reconstruction defect*: the Euclidean norm of a rebuilt value minus the true one, in
      units of the state, wherever the truth is at hand, which is at `y0` and at every state
      that was kept. It is infinite rather than NaN, and does not depend on the loss.
      `ees.value_gradient_and_defect` asks for it; who does not ask does not pay.

    A defect is not a gradient error. Where the equation contracts, the way back expands: `y0`
    may come back wrong by any factor while the gradient of a loss at the end is right, because
    the adjoint has forgotten that part of the path just as the solution had. (A loss at earlier
    saved times has not.) Where the equation expands, a small defect is magnified. A small defect
    says that every linearisation was made at the right place; a large one says: compare with
    `StoredStates` (`ees.gradient_discrepancy`).

    **Arguments:**

    - `checkpoint_every`: `None`, a positive number of steps, or `"auto"`.
    - `tolerance`: for `settle` and `"auto"`, the largest defect that is allowed, relative to the
      largest Euclidean norm of the solution along the path.
    - `max_steps`: with `checkpoint_every`, the largest number of steps where that number is
      traced. More steps than that make every gradient NaN.
    - `probe`: zero. To tell mapped paths apart, zeros of shape `(paths,)`, mapped over together
      with the paths.
    - `settled`: what `settle` found out.

    **Raises:** `ValueError` for another `checkpoint_every` or `tolerance`.

    **Reference:** arXiv 2509.20599, Algorithm 1.
    """

    checkpoint_every: int | Literal["auto"] | None = eqx.field(
        static=True, default=None, converter=lambda k: int(k) if isinstance(k, np.integer) else k
    )
    tolerance: float = eqx.field(static=True, default=1e-6)
    max_steps: int | None = eqx.field(static=True, default=None)
    probe: Float[Array, ""] = eqx.field(default_factory=lambda: np.zeros(()))
    settled: Settled | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        k = self.checkpoint_every
        number = isinstance(k, int) and not isinstance(k, bool)
        if not (k is None or k == "auto" or (number and k >= 1)):
            raise ValueError(
                f'checkpoint_every={k!r}: it must be None, "auto" or a number of steps from 1 up.'
            )
        if not 0 < self.tolerance < math.inf:
            raise ValueError(
                f"tolerance={self.tolerance!r}: it must be a positive number, relative to the "
                f"size of the state."
            )

    def __str__(self):
        text = f"Reversible(checkpoint_every={self.checkpoint_every!r})"
        if self.settled is None:
            return text
        defect, size, asked = dataclasses.astuple(self.settled)
        return (
            f"{text}: it reconstructs to {defect:.1e}, with a solution of size {size:.1e} and a "
            f"relative tolerance of {asked:.1e}"
        )

    @property
    def bounded(self) -> bool:
        return self.checkpoint_every is not None

    def settle(
        self,
        field: AbstractField,
        scheme: AbstractScheme,
        driver: AbstractDriver,
        y0: PyTree[Array],
    ) -> "Reversible":
        """Picks the widest spacing of checkpoints that keeps the defect within the tolerance.

        Tries no checkpoints at all, then powers of two by bisection, as if a wider spacing never
        had a smaller defect; each trial costs one solve there and back in O(1) memory, and none
        compiles again. Spacing 1 rebuilds nothing, its defect is 0 and it always satisfies.

        It looks at one path. For an ensemble, settle on its worst path, or on a `y0` that holds
        it all; during training settle again from time to time, for the field changes.

        **Arguments:** as for `ees.solve`; all values known, outside of `jit` and `vmap`.

        **Returns:** a `Reversible` with a number or `None` for `checkpoint_every`, and in
        `settled` what was measured; printed, it says both.

        **Raises:** `ValueError` if a value is traced.
        """
        spacing, note = widest_spacing(scheme, field, driver, as_arrays(y0), self.tolerance)
        return Reversible(
            checkpoint_every=spacing, max_steps=self.max_steps, probe=self.probe, settled=note
        )

    def ready(self, field, scheme, driver, y0):
        if self.checkpoint_every != "auto":
            return self
        if not traced((field, scheme, driver, y0, self.probe)):
            # Nothing is differentiated, so nothing has to be rebuilt.
            return Reversible(probe=self.probe)
        return self.settle(field, scheme, driver, y0)

    def spacing(self, capacity):
        k = self.checkpoint_every
        # What is never stepped over needs no room; a single step has nothing to step over.
        return None if k is None or (capacity is not None and 1 < k >= capacity) else k

    def workspace(self, state, capacity, watched):
        if not watched:
            return ()
        if jnp.shape(self.probe):
            raise ValueError(
                f"probe has shape {jnp.shape(self.probe)}: one solve has one defect; map over the "
                f"adjoint together with the paths, or take a scalar."
            )
        leaf = jtu.tree_leaves(state)[0]
        return jnp.zeros((), jnp.finfo(leaf.dtype).dtype)

    def recover(self, problem, kept, work, i, state, begun, dx):
        scheme, field, driver = problem
        watched = not isinstance(work, tuple)

        def rebuilt():
            return scheme.retreat(field, driver.time(i), state, begun, dx)

        if kept is None:
            return rebuilt(), work
        if kept.spacing == 1:
            return kept.get(i), work
        held = (i % kept.spacing == 0) & (kept.spacing < driver.steps)
        if not watched:
            return jax.lax.cond(held, lambda: kept.get(i), rebuilt), work
        found, truth = rebuilt(), kept.get(i)
        defect = jnp.where(held, missed(scheme, found, truth).astype(work.dtype), 0)
        return select(held, truth, found), jnp.maximum(work, defect)
