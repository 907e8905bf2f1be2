"""What does a gradient cost? Its memory, and the field evaluations of either pass."""

import itertools
from collections import Counter
from collections.abc import Callable

import equinox as eqx
import jax, jax.numpy as jnp, jax.tree_util as jtu
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float, Int, PyTree

from ees._pytree import as_arrays
from ees.adjoints import AbstractAdjoint, Reversible
from ees.diagnostics.gradients import half_square
from ees.drivers import AbstractDriver, Clock
from ees.fields import AbstractField
from ees.schemes import AbstractScheme
from ees.solve import solve


# Enough steps for a recursive checkpoint to show what it repeats, few enough to be quick.
_COUNTED = 128


class Memory(eqx.Module):
    """What the gradient of a solve costs, by the compiler's account and by a count.

    - `temp_bytes`: memory that the compiled gradient allocates while it runs, beside arguments
      and results: states, tapes, checkpoints, scratch.
    - `argument_bytes`, `output_bytes`: parameters, path and start; the gradient of those sought.
    - `flops`: floating-point operations by XLA's account, which counts the body of a loop once:
      of about one step forwards and one back, whatever the number of steps. NaN where the
      backend gives none.
    - `forward_evaluations`, `backward_evaluations`: field evaluations that a further step costs
      in either pass; the backward ones rebuild states and linearise steps.
    - `vjps`: vector-Jacobian products of the field that a further step costs, all backward.
    """

    temp_bytes: int
    argument_bytes: int
    output_bytes: int
    flops: float
    forward_evaluations: float
    backward_evaluations: float
    vjps: float


def memory(
    field: AbstractField,
    scheme: AbstractScheme,
    driver: AbstractDriver,
    y0: PyTree[Array],
    adjoint: AbstractAdjoint = Reversible(),
    *,
    loss: Callable[[PyTree[Array]], Float[Array, ""]] = half_square,
) -> Memory:
    """Compiles the gradient of `loss(y(t1))` and asks the compiler what it needs.

    The gradient is with respect to every floating-point array of the field and to `y0`. It is
    compiled and not run. Evaluations are counted on a run of at most 128 steps of
    $y' = -y$ with this scheme and adjoint, because the adjoint alone decides how many there
    are; an implicit scheme needs as many as its iterations there.

    **Arguments:** as for `ees.solve`; `loss`: of the value at the end.

    **Returns:** a `Memory`. Bytes are of the present backend and precision, and known before
    any of them is allocated.

    **Raises:** `ValueError` as `ees.solve`.
    """
    driver = driver.with_steps(int(driver.steps))
    problem = field, scheme, driver, as_arrays(y0), adjoint, loss
    compiled = _gradient.lower(*problem).compile().compiled
    sizes, costs = compiled.memory_analysis(), compiled.cost_analysis() or {}
    long = min(driver.steps, _COUNTED)
    short = long // 2
    # The way there is the same for all adjoints, and one program serves them all.
    forward, both = (
        _counts(run, scheme, how, long) - _counts(run, scheme, how, short)
        for run, how in ((_end, Reversible()), (_gradient, adjoint))
    )
    return Memory(
        temp_bytes=sizes.temp_size_in_bytes,
        argument_bytes=sizes.argument_size_in_bytes,
        output_bytes=sizes.output_size_in_bytes,
        flops=float(costs.get("flops", np.nan)),
        forward_evaluations=float(forward[0] / (long - short)),
        backward_evaluations=float((both - forward)[0] / (long - short)),
        vjps=float(both[1] / (long - short)),
    )


@eqx.filter_jit
def _end(field, scheme, driver, y0, adjoint, loss):
    end = solve(field, scheme, driver, y0, adjoint=adjoint).ys
    return loss(jtu.tree_map(lambda leaf: leaf[0], end))


@eqx.filter_jit
def _gradient(field, scheme, driver, y0, adjoint, loss):
    def objective(parameters):
        field, y0 = parameters
        return _end(field, scheme, driver, y0, adjoint, loss)

    return eqx.filter_grad(objective)((field, y0))


class _Counted(AbstractField):
    """$y' = -y$, and a note under a number of its own whenever that or its VJP is executed."""

    ticket: Int[Array, ""]

    def coefficients(self, t, y):
        return -_evaluation.bind(y, self.ticket)

    def contract(self, coefficients, dx):
        return dx.dt * coefficients

    def noise_shape(self, t, y):
        return None


_TICKETS = itertools.count()
_noted: dict[int, Counter] = {}


def _counts(run, scheme, adjoint, steps) -> np.ndarray:
    """Evaluations and VJPs that are executed on a run of so many steps; none for no steps."""
    if steps == 0:
        return np.zeros(2)
    ticket = next(_TICKETS)
    _noted[ticket] = Counter()
    # The ticket is a value, so that one compiled program serves every count of its kind.
    field, clock = _Counted(jnp.asarray(ticket, jnp.int32)), Clock(0.0, 1.0, steps)
    jax.block_until_ready(run(field, scheme, clock, jnp.ones(1), adjoint, half_square))
    jax.effects_barrier()
    found = _noted.pop(ticket)
    return np.array([found["evaluation"], found["vjp"]], float)


def _marker(event: str) -> Primitive:
    """The identity, as an operation that notes when it is executed.

    An operation of its own, because a derivative rule on a function excludes either forward
    mode (an implicit scheme's Jacobian) or reverse mode, and a counter in Python would count
    how often a program is traced.
    """
    marker = Primitive(event)

    def note(ticket, _):
        _noted[int(ticket)][event] += 1

    def execute(x, ticket):
        # The second argument ties the note to this place: without it, it could leave a loop.
        jax.debug.callback(note, ticket, x.ravel()[0])
        return x

    marker.def_impl(execute)
    marker.def_abstract_eval(lambda x, ticket: x)
    mlir.register_lowering(marker, mlir.lower_fun(execute, multiple_results=False))
    batching.primitive_batchers[marker] = lambda args, axes: (marker.bind(*args), axes[0])
    return marker


_evaluation, _push, _pull = _marker("evaluation"), _marker("jvp"), _marker("vjp")


def _derivative(primals, tangents):
    (x, ticket), (tangent, _) = primals, tangents
    if not isinstance(tangent, ad.Zero):
        tangent = _push.bind(tangent, ticket)
    return _evaluation.bind(x, ticket), tangent


def _transpose(cotangent, _, ticket):
    if not isinstance(cotangent, ad.Zero):
        cotangent = _pull.bind(cotangent, ticket)
    return cotangent, None


ad.primitive_jvps[_evaluation] = _derivative
ad.primitive_transposes[_push] = _transpose
