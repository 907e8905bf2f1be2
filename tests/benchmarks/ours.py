"""Our contestants, and the floor beneath them."""

import dataclasses
import math
from collections.abc import Callable

import equinox as eqx
import jax, jax.numpy as jnp, jax.random as jr

import ees
from tests.benchmarks.jax_programs import FIRST, LAST, Contestant, Program, device  # noqa: F401
from tests.benchmarks.work import Operations, Work, diffusion, drift


class Rate(eqx.Module):
    """A function of the equation with its parameters, as `ees` takes it."""

    parameters: dict
    function: Callable = eqx.field(static=True)
    ops: Operations = eqx.field(static=True)
    work: Work = eqx.field(static=True)

    def __call__(self, t, y):
        return self.function(self.ops, self.work, self.parameters, y)


def equation(work, parameters, ops=LAST):
    rates = [Rate(parameters, function, ops, work) for function in (drift, diffusion)]
    return ees.SDE(*rates, ees.Diagonal())


def noise(work, key, horizon, steps, shape):
    """Brownian increments, drawn in float32 in either precision, so that both feel the same."""
    like = jax.ShapeDtypeStruct(shape, jnp.float32)
    return ees.Brownian(key, 0.0, horizon, steps, like, dtype=work.dtype)


@dataclasses.dataclass(frozen=True)
class Ours(Contestant):
    """`ees.solve`.

    - `adjoint`: of the number of steps.
    - `layout`: `"batched"`, one state that holds all paths; `"mapped"`, `jax.vmap` over the
      paths; `"paths last"`, one state whose last axis is that of the paths; `"ensemble"`,
      `ees.ensemble`, on every device.
    - `known`: whether the compiler knows the number of steps.
    - `options`: what it is told.
    """

    scheme: Callable = ees.EES25
    adjoint: Callable = lambda steps: ees.Reversible()
    layout: str = "batched"
    known: bool = False
    options: dict | None = None

    def forward(self, work, inputs):
        adjoint = self.adjoint(work.steps)
        # Who has to make room for the steps knows their number; the others find it out.
        known = self.known or adjoint.bounded or work.save == "all"
        steps = work.steps if known else inputs.steps
        ops = FIRST if self.layout == "paths last" else LAST
        field = equation(work, inputs.parameters, ops)

        def solve(key, y0):
            driver = noise(work, key, inputs.horizon, steps, y0.shape)
            saved = ees.solve(field, self.scheme(), driver, y0, adjoint=adjoint, save=work.save)
            return saved.ys

        if self.layout == "ensemble":
            return ees.ensemble(
                field,
                self.scheme(),
                lambda own: noise(work, own[0], inputs.horizon, steps, (work.dim,)),
                lambda own: own[1],
                (jr.split(inputs.key, work.paths), inputs.y0),
                adjoint=adjoint,
                save=work.save,
            ).ys
        if self.layout == "mapped":
            return jax.vmap(solve)(jr.split(inputs.key, work.paths), inputs.y0)
        return solve(inputs.key, inputs.y0.T if self.layout == "paths last" else inputs.y0)

    def reconstruction(self, work, inputs):
        """The norm of the rebuilt start minus the true one, relative to the true one."""
        driver = noise(work, inputs.key, inputs.horizon, inputs.steps, inputs.y0.shape)
        field, scheme = equation(work, inputs.parameters), self.scheme()
        there = ees.solve(field, scheme, driver, inputs.y0, adjoint=ees.Reversible())
        back = ees.reverse(field, scheme, driver, there.state, adjoint=ees.Reversible()).ys[-1]
        return jnp.linalg.norm(back - inputs.y0) / jnp.linalg.norm(inputs.y0)


@dataclasses.dataclass(frozen=True)
class Floor(Contestant):
    """Nothing but the evaluations, their VJPs and the same normals, in a bare loop.

    No scheme, no checks, no saved times: a three-stage scheme that is reversed cannot do less.
    It draws as many steps at once as suits the size, for that is what one would do by hand.

    - `rebuild`: evaluations a step of the backward pass to find the state again; the first of
      three is shared with the linearisation. None where states are free.
    - `known`: whether the compiler knows the number of steps.
    """

    rebuild: int = 2
    known: bool = False

    def forward(self, work, inputs):
        # Three components lie best with the paths behind them.
        if work.equation == "lorenz":
            return self._there(work, inputs._replace(y0=inputs.y0.T), FIRST)
        return self._there(work, inputs, LAST)

    def gradient(self, work, inputs):
        y = self._there(work, inputs, LAST)
        driver = self._noise(work, inputs)

        def field(p, y, dw):
            return drift(LAST, work, p, y) * driver.dt + diffusion(LAST, work, p, y) * dw

        def back(j, carry):
            y, ct, grads, dw = carry
            upcoming = driver.increment(driver.steps - 2 - j).dw
            for _ in range(self.rebuild):
                y = y - field(inputs.parameters, y, dw)
            at, found = y, []
            for _ in range(3):
                rate, pull = jax.vjp(lambda p, y: field(p, y, dw), inputs.parameters, at)
                parameters_ct, y_ct = pull(ct)
                found.append(parameters_ct)
                at, ct = at + rate, ct + y_ct
            grads = jax.tree.map(lambda *leaves: sum(leaves), grads, *found)
            # Nothing here is a solution: without stored states this one stays where it is.
            return (y if self.rebuild else at), ct, grads, upcoming

        zeros = jax.tree.map(jnp.zeros_like, inputs.parameters)
        carry = y, y / y.size, zeros, driver.increment(driver.steps - 1).dw
        _, ct, grads, _ = jax.lax.fori_loop(0, driver.steps, back, carry)
        return 0.5 * jnp.mean(y**2), (grads, ct)

    def _noise(self, work, inputs):
        steps = work.steps if self.known or work.save == "all" else inputs.steps
        return noise(work, inputs.key, inputs.horizon, steps, inputs.y0.shape)

    def _there(self, work, inputs, ops):
        driver = self._noise(work, inputs)
        # One by one where a step is large; else as many as divide the steps, 256 at most.
        most = min(256, max(1, 4096 // inputs.y0.size))
        together = max(n for n in range(1, most + 1) if work.steps % n == 0)
        p, dt = inputs.parameters, driver.dt

        def draw(number):
            if together == 1:
                return driver.increment(number).dw
            steps = number * together + jnp.arange(together)
            return jax.vmap(lambda i: driver.increment(i).dw, out_axes=-1)(steps)

        def advance(y, dw):
            for _ in range(3):
                y = y + (drift(ops, work, p, y) * dt + diffusion(ops, work, p, y) * dw) / 3
            return y, (y if work.save == "all" else None)

        def several(y, dws):
            return jax.lax.scan(lambda y, j: advance(y, dws[..., j]), y, jnp.arange(together))

        def block(carry, i):
            y, dw = carry
            upcoming = draw(i + 1)
            y, saved = advance(y, dw) if together == 1 else several(y, dw)
            return (y, upcoming), saved

        carry, count = (inputs.y0, draw(0)), driver.steps // together
        if work.save == "all":
            _, saved = jax.lax.scan(block, carry, jnp.arange(count))
            return saved.reshape(-1, *inputs.y0.shape)
        return jax.lax.fori_loop(0, count, lambda i, carry: block(carry, i)[0], carry)[0]


def _spaced(steps):
    return ees.Reversible(checkpoint_every=math.isqrt(steps - 1) + 1)


def _stored(steps):
    return ees.StoredStates()


# XLA leaves half of a register empty where a processor has AVX-512, unless it is told.
_WIDE = {"xla_cpu_prefer_vector_width": 512}

CONTESTANTS = {
    "floor": Floor(),
    "floor, states free": Floor(rebuild=0),
    "floor, steps known": Floor(known=True),
    "EES25": Ours(),
    "EES25, steps known": Ours(known=True),
    "EES25, wide vectors": Ours(options=_WIDE),
    "EES25, paths last": Ours(layout="paths last"),
    "EES25, mapped": Ours(layout="mapped"),
    "EES25, ensemble": Ours(layout="ensemble"),
    "EES25, ensemble, wide vectors": Ours(layout="ensemble", options=_WIDE),
    "EES25 + Reversible": Ours(),
    "EES25 + Reversible, steps known": Ours(known=True),
    "EES25 + Reversible, wide vectors": Ours(options=_WIDE),
    "EES25 + Reversible, ensemble": Ours(layout="ensemble"),
    "EES25 + Reversible, ensemble, wide vectors": Ours(layout="ensemble", options=_WIDE),
    "EES25 + Reversible, checkpoints": Ours(adjoint=_spaced),
    "EES25 + StoredStates": Ours(adjoint=_stored),
    "EES25 + StoredStates, wide vectors": Ours(adjoint=_stored, options=_WIDE),
    "EES25 + StoredStates, ensemble": Ours(adjoint=_stored, layout="ensemble"),
    "EES25 + StoredStates, ensemble, wide vectors": Ours(
        adjoint=_stored, layout="ensemble", options=_WIDE
    ),
    "EES25 + RecursiveCheckpoint": Ours(adjoint=lambda steps: ees.RecursiveCheckpoint()),
    "EES25 + FullBackprop": Ours(adjoint=lambda steps: ees.FullBackprop()),
    "Reversible Heun": Ours(ees.ReversibleHeun),
    "Reversible Heun + Reversible": Ours(ees.ReversibleHeun),
    "Reversible Heun + FullBackprop": Ours(
        ees.ReversibleHeun, adjoint=lambda steps: ees.FullBackprop()
    ),
}
