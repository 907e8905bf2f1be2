"""Diffrax: its solvers, adjoints and both of its Brownian motions, used as its documents show."""

import dataclasses
from collections.abc import Callable

import diffrax
import jax, jax.random as jr
import lineax

from tests.benchmarks.jax_programs import LAST, Contestant, Program, device  # noqa: F401
from tests.benchmarks.work import diffusion, drift


@dataclasses.dataclass(frozen=True)
class Diffrax(Contestant):
    """`diffrax.diffeqsolve` with constant steps.

    - `tree`: `VirtualBrownianTree` with a tolerance of half a step, else `UnsafeBrownianPath`.
    - `mapped`: `jax.vmap` over the paths, else one state that holds them all.
    """

    solver: Callable = diffrax.Heun
    adjoint: Callable = diffrax.RecursiveCheckpointAdjoint
    tree: bool = True
    mapped: bool = False

    def forward(self, work, inputs):
        horizon, dt = inputs.horizon, inputs.horizon / inputs.steps
        every = work.save == "all"
        saveat = diffrax.SaveAt(t0=True, steps=True) if every else diffrax.SaveAt(t1=True)

        def slope(t, y, p):
            return drift(LAST, work, p, y)

        def response(t, y, p):
            return lineax.DiagonalLinearOperator(diffusion(LAST, work, p, y))

        def solve(key, y0):
            like = jax.ShapeDtypeStruct(y0.shape, y0.dtype)
            if self.tree:
                path = diffrax.VirtualBrownianTree(0.0, horizon, dt / 2, like, key)
            else:
                path = diffrax.UnsafeBrownianPath(like, key)
            terms = diffrax.ODETerm(slope), diffrax.ControlTerm(response, path)
            solution = diffrax.diffeqsolve(
                diffrax.MultiTerm(*terms),
                self.solver(),
                0.0,
                horizon,
                dt,
                y0,
                inputs.parameters,
                saveat=saveat,
                adjoint=self.adjoint(),
                max_steps=work.steps,
            )
            return solution.ys

        if self.mapped:
            return jax.vmap(solve)(jr.split(inputs.key, work.paths), inputs.y0)
        return solve(inputs.key, inputs.y0)


CONTESTANTS = {
    "Diffrax Heun, tree": Diffrax(),
    "Diffrax Heun, tree, mapped": Diffrax(mapped=True),
    "Diffrax Heun, unsafe path": Diffrax(adjoint=diffrax.ForwardMode, tree=False),
    "Diffrax Reversible Heun, tree": Diffrax(diffrax.ReversibleHeun),
    "Diffrax Heun + RecursiveCheckpoint": Diffrax(),
    "Diffrax Heun + RecursiveCheckpoint, mapped": Diffrax(mapped=True),
    "Diffrax Heun + Direct": Diffrax(adjoint=diffrax.DirectAdjoint),
    "Diffrax Heun + Backsolve": Diffrax(adjoint=diffrax.BacksolveAdjoint),
    "Diffrax Reversible Heun + RecursiveCheckpoint": Diffrax(diffrax.ReversibleHeun),
}
