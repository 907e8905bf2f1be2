"""Optimise-then-discretise: the adjoint equation, solved backwards by the scheme itself."""

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu

from ees._pytree import add, scale
from ees.adjoints.ahead import backwards, stock
from ees.adjoints.base import AbstractAdjoint, march, materialise, scan
from ees.drivers import Increment
from ees.fields import ODE


class Continuous(AbstractAdjoint):
    """Solves the adjoint equation backwards, together with the solution: O(1) memory.

    With $a$ the derivative of the loss with respect to $y$ and $g$ that with respect to the
    parameters $\\theta$,

    $dy = f(t, y) \\cdot dX,\\quad da = -a^\\top \\partial_y f(t, y) \\cdot dX,\\quad
    dg = -a^\\top \\partial_\\theta f(t, y) \\cdot dX,$

    from `t1` back to `t0` on the same path, by the same scheme and steps; $a$ jumps at every
    saved time, where $y$ goes on from the saved value.

    This is *not* the gradient of the discrete solution, nor of any other function: it
    approximates the gradient of the exact solution, and differs from the discrete one by the
    scheme's order of convergence in the step size, even where the scheme is exactly reversible.
    (Symplectic schemes are the exception: on an ODE the implicit midpoint rule has no
    difference at all.) A descent may stall where the two disagree. Where the equation contracts,
    $y$ runs away on the way back from one saved time to the one before. The gradient with
    respect to the scheme's own coefficients is 0: the exact solution does not depend on them.

    An implicit scheme solves for $y$, $a$ and $g$ at once: affordable for few parameters.

    Along one step the path is a straight line, and the equation an ODE. A scheme that remembers
    more than the solution starts afresh where $a$ jumps and, with noise, where the path has a
    kink, at every step: it is then the one-step method that it begins with (Heun's, for
    Reversible Heun).

    **Reference:** Li, Wong, Chen, Duvenaud, arXiv 2001.01328; for ODEs, Chen, Rubanova,
    Bettencourt, Duvenaud, arXiv 1806.07366.
    """

    bounded: bool = eqx.field(static=True, init=False, default=False)

    def integrate(self, scheme, field, driver, y0, marks, capacity):
        return _integrate((scheme, field, driver, y0), marks)


@eqx.filter_custom_vjp
def _integrate(problem, marks):
    return march(problem, marks)[:3]


@_integrate.def_fwd
def _integrate_forward(perturbed, problem, marks):
    values, state, diverged, _ = march(problem, marks)
    return (values, state, diverged), values


@_integrate.def_bwd
def _integrate_backward(values, cotangents, perturbed, problem, marks):
    values_ct, state_ct, _ = cotangents
    scheme, field, driver, y0 = problem
    wanted, held = eqx.partition(problem[1:3], perturbed[1:3])
    driver_wanted = bool(jtu.tree_leaves(wanted[1]))
    noisy = bool(jtu.tree_leaves(jax.eval_shape(driver.increment, 0).dw))
    last = jtu.tree_map(lambda leaf: leaf[-1], values)
    values_ct = materialise(values_ct, last, leading=(len(marks.index),))

    def equation(i, dx):
        """The adjoint equation along step `i`, an ODE whose unit of time is the step."""

        def slope(u, at):
            y, a, _ = at

            def rate(wanted, y):
                field, driver = eqx.combine(wanted, held)
                return field(driver.time(u), y, driver.increment(i) if driver_wanted else dx)

            dy, pull = jax.vjp(rate, wanted, y)
            wanted_ct, y_ct = pull(a)
            return dy, scale(-1.0, y_ct), scale(-1.0, wanted_ct)

        return ODE(slope)

    one = jnp.ones((), driver.dt.dtype)

    def back(i, dx, state):
        u, along = one * (i + 1), equation(i, dx)
        if noisy:
            state = scheme.restart(along, u, scheme.value(state))
        return scheme.step(along, u, state, Increment(-one))

    def stretch(carry, at):
        start, end, y, value_ct = at
        drawn, a, grads = carry
        at = y, add(a, value_ct), grads
        state = scheme.restart(equation(end - 1, driver.increment(end - 1)), one * end, at)
        drawn, state = backwards(driver, start, end, drawn, state, back)
        _, a, grads = scheme.value(state)
        return (drawn, a, grads), None

    steps = jnp.asarray(driver.steps)
    state_like = jax.eval_shape(lambda: scheme.restart(field, driver.time(steps), last))

    def end(wanted, y):
        field, driver = eqx.combine(wanted, held)
        return scheme.restart(field, driver.time(steps), y)

    _, pull = jax.vjp(end, wanted, last)
    grads, a = pull(materialise(state_ct, state_like))
    carry, _ = scan(
        stretch,
        (stock(driver, steps - 1, -1), a, grads),
        (*marks.stretches, values, values_ct),
        reverse=True,
    )
    _, a, grads = carry

    y0_wanted, y0_held = eqx.partition(y0, perturbed[3])
    _, pull = jax.vjp(
        lambda y: scheme.value(scheme.init(field, driver.time(0), eqx.combine(y, y0_held))),
        y0_wanted,
    )
    return eqx.filter(scheme, lambda _: False), *grads, *pull(a)
