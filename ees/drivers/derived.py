"""Drivers made of another driver: its path run back, or a beginning of it."""

import jax
from jaxtyping import Array, Int

from ees.drivers.base import AbstractDriver, check_count


class Backwards(AbstractDriver):
    """Another driver run from its end to its start: increments negated, in reverse order."""

    driver: AbstractDriver

    @property
    def t0(self):
        return self.driver.t1

    @property
    def t1(self):
        return self.driver.t0

    @property
    def steps(self):
        return self.driver.steps

    def with_steps(self, steps):
        return Backwards(self.driver.with_steps(steps))

    def coarsen(self, factor):
        return Backwards(self.driver.coarsen(factor))

    def increment(self, i):
        return -self.driver.increment(self.steps - 1 - i)

    def seed(self, i):
        return self.driver.seed(self.steps - 1 - i)

    def draw(self, i, seed):
        return self.driver.draw(self.steps - 1 - i, seed)

    def drawn(self, draw):
        return -self.driver.drawn(draw)

    def laid_out(self):
        return Backwards(self.driver.laid_out())

    @property
    def width(self):
        return self.driver.width


class First(AbstractDriver):
    """The first `steps` steps of another driver: the same path and steps, up to an earlier end.

    With another number of steps it ends elsewhere, and its steps are as long.

    **Arguments:** `driver`: of at least so many steps; `steps`: a positive integer, or a traced
    one.

    **Raises:** `ValueError` if `steps` is less than 1, or more than the driver has. A traced one
    cannot be checked.
    """

    driver: AbstractDriver
    steps: int | Int[Array, ""]

    def __check_init__(self):
        check_count(self.steps)
        self.check_steps(self.steps)

    @property
    def t0(self):
        return self.driver.t0

    @property
    def t1(self):
        return self.driver.time(self.steps)

    @property
    def dt(self):
        return self.driver.dt

    def check_steps(self, steps):
        if not any(isinstance(n, jax.core.Tracer) for n in (steps, self.driver.steps)):
            if steps > self.driver.steps:
                raise ValueError(
                    f"steps={int(steps)}: the driver that it is the beginning of has "
                    f"{int(self.driver.steps)}."
                )

    def increment(self, i):
        return self.driver.increment(i)

    def seed(self, i):
        return self.driver.seed(i)

    def draw(self, i, seed):
        return self.driver.draw(i, seed)

    def drawn(self, draw):
        return self.driver.drawn(draw)

    def laid_out(self):
        return First(self.driver.laid_out(), self.steps)

    @property
    def width(self):
        return self.driver.width
