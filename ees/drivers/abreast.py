"""Many drivers as one: what drives an ensemble of paths."""

from collections.abc import Callable

import equinox as eqx
import jax, jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from ees.drivers.base import AbstractDriver, Increment, fewer_steps


class Abreast(AbstractDriver):
    """Many drivers with the same times and steps side by side, along a last or first axis.

    - `own`: the drivers as one, of which the arrays that differ have an axis `(paths,)`, the
      rest left out; `shared`: that rest.
    - `paths`: how many there are; `axis`: -1 or 0, where in the noise that axis is.
    """

    own: AbstractDriver
    shared: AbstractDriver
    t0: Float[Array, ""]
    t1: Float[Array, ""]
    steps: int | Int[Array, ""]
    paths: int = eqx.field(static=True)
    axis: int = eqx.field(static=True, default=-1)

    @classmethod
    def of(
        cls, draw: Callable[[PyTree[Array]], AbstractDriver], each: PyTree[Array], axis: int = -1
    ) -> "Abreast":
        """The drivers that `draw` makes of the entries of `each` along its first axis.

        **Raises:** `ValueError` if their times or numbers of steps differ.
        """
        first = draw(jtu.tree_map(lambda leaf: leaf[0], each)).laid_out()
        number = first.steps
        if counted := isinstance(number, int | np.integer):
            # Left in, it would be a part of the program, and another number another program.
            first = first.with_steps(1)

        def clock(item):
            driver = draw(item)
            return driver.t0, driver.t1, None if counted else driver.steps

        try:
            t0, t1, steps = jax.vmap(clock, out_axes=None)(each)
        except ValueError as error:
            raise ValueError(
                "driver: its times and its number of steps must not depend on the path."
            ) from error
        # What is shared stays a number: computed with, it is computed with once.
        ends = {id(first.t0), id(first.t1)}
        differs = jtu.tree_map(lambda leaf: eqx.is_array(leaf) and id(leaf) not in ends, first)
        every = eqx.if_array(axis)
        drivers = eqx.filter_vmap(lambda item: draw(item).laid_out(), out_axes=every)(each)
        own, shared = eqx.filter(drivers, differs), eqx.filter(first, differs, inverse=True)
        paths = jtu.tree_leaves(each)[0].shape[0]
        return cls(own, shared, t0, t1, number if counted else steps, paths, axis)

    @property
    def driver(self) -> AbstractDriver:
        """The drivers as one."""
        return eqx.combine(self.own, self.shared)

    @property
    def width(self):
        return self.paths * self.driver.width if self.axis == -1 else 0

    def check_steps(self, steps):
        # Of one path: what a path is made of may lie along the axis that here counts paths.
        one = jtu.tree_map(lambda leaf: leaf[0] if self.axis == 0 else leaf[..., 0], self.own)
        eqx.combine(one, self.shared).check_steps(steps)

    def coarsen(self, factor):
        def one(own):
            driver = eqx.combine(own, self.shared)
            return driver.with_steps(self.steps).coarsen(factor)

        drivers = eqx.filter_vmap(
            one, in_axes=self.axis, out_axes=eqx.if_array(self.axis), axis_size=self.paths
        )(self.own)
        own, shared = eqx.partition(drivers, eqx.is_array)
        steps = fewer_steps(self.steps, factor)
        return Abreast(own, shared, self.t0, self.t1, steps, self.paths, self.axis)

    def increment(self, i):
        return Increment(self.dt, self._each(lambda driver: driver.increment(i).dw))

    def seed(self, i):
        if self._keyed:
            return self.driver.with_steps(self.steps).seed(i)
        return self._each(lambda driver: driver.seed(i))

    def draw(self, i, seed):
        if self._keyed and self.axis == -1:
            return self.driver.with_steps(self.steps).draw(i, seed)
        return self._each(lambda driver, seed: driver.draw(i, seed), seed)

    @property
    def _keyed(self) -> bool:
        """Whether what is drawn with many keys is drawn for all: their seeds, or all of a draw."""
        return bool(self.driver.width and jtu.tree_leaves(self.own))

    def drawn(self, draw):
        return Increment(self.dt, self._each(lambda driver, draw: driver.drawn(draw).dw, draw))

    def _each(self, of, *args):
        def one(own, *args):
            # A number of steps for each path would turn look-ups of slices into gathers.
            return of(eqx.combine(own, self.shared).with_steps(self.steps), *args)

        each = jax.vmap(one, in_axes=self.axis, out_axes=self.axis, axis_size=self.paths)
        return each(self.own, *args)
