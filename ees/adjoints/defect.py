"""A gradient together with how well the trajectory behind it was rebuilt."""

import functools
from collections.abc import Callable

import equinox as eqx

from ees.adjoints.reversible import Reversible


def value_gradient_and_defect(
    loss: Callable, adjoint: Reversible = Reversible(), *, has_aux: bool = False
) -> Callable:
    """As `equinox.filter_value_and_grad`, and how well the trajectory was rebuilt on the way.

        def loss(model, adjoint, y0):
            return jnp.sum(ees.solve(model, scheme, driver, y0, adjoint=adjoint).ys ** 2)

        value, gradient, defect = ees.value_gradient_and_defect(loss)(model, y0)

    The defect comes out of the same backward pass, at the price of one step back for each
    checkpoint. It may be used in `jit` and `vmap`. Within one solve it is the largest one met,
    whatever is saved. Over several solves, one after the other or mapped, the defects *add up*,
    as derivatives do: the sum is at least the largest of them and at most as many times that.
    For one defect a path, give `Reversible(probe=jnp.zeros(paths))` and let `loss` map over
    `adjoint` together with the paths.

    **Arguments:**

    - `loss`: `loss(parameters, adjoint, *args, **kwargs)`, a real scalar, which hands `adjoint`
      to `ees.solve`.
    - `adjoint`: a `Reversible`, of any spacing.
    - `has_aux`: whether `loss` returns a pair, of which the first is the loss.

    **Returns:** a function of `(parameters, *args, **kwargs)` that returns

    - the loss, or the pair;
    - its gradient with respect to the floating-point arrays of `parameters`;
    - the defect, in units of the state, of the shape of `adjoint.probe`; 0 if no solve took
      `adjoint`. It is not a gradient error: see `Reversible`.

    **Raises:** `ValueError` for another adjoint: those that store states rebuild nothing.
    """
    if not isinstance(adjoint, Reversible):
        raise ValueError(
            f"adjoint={type(adjoint).__name__}: only ees.Reversible rebuilds states and so has a "
            f"defect."
        )

    @functools.partial(eqx.filter_value_and_grad, has_aux=has_aux)
    def objective(wanted, args, kwargs):
        parameters, adjoint = wanted
        return loss(parameters, adjoint, *args, **kwargs)

    def evaluate(parameters, *args, **kwargs):
        value, (gradient, told) = objective((parameters, adjoint), args, kwargs)
        return value, gradient, told.probe

    return evaluate
