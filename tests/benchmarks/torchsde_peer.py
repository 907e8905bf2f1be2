"""torchsde, in an environment of its own: JAX and PyTorch need not agree on anything."""

import os
import sys

import numpy as np
import torch, torchsde

from tests.benchmarks.work import Operations, Work, diffusion, drift


# A single OU path of 20,000 steps goes deeper into its Brownian tree than Python allows.
sys.setrecursionlimit(100_000)
torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)

OPERATIONS = Operations(
    silu=torch.nn.functional.silu,
    tanh=torch.tanh,
    ones_like=torch.ones_like,
    split=lambda y: y.unbind(-1),
    join=lambda parts: torch.stack(parts, dim=-1),
)


class Equation(torch.nn.Module):
    """The drift and diffusion, as `torchsde` takes them."""

    sde_type, noise_type = "stratonovich", "diagonal"

    def __init__(self, work: Work):
        super().__init__()
        self.work = work
        self.parameters_ = torch.nn.ParameterDict(
            {name: torch.nn.Parameter(torch.tensor(x)) for name, x in work.parameters().items()}
        )

    def f(self, t, y):
        return drift(OPERATIONS, self.work, self.parameters_, y)

    def g(self, t, y):
        return diffusion(OPERATIONS, self.work, self.parameters_, y)


class Torchsde:
    """A scheme, and how it is differentiated: `adjoint_method` or, for `None`, backpropagation."""

    def __init__(self, method: str, adjoint_method: str | None = None):
        self.method, self.adjoint_method = method, adjoint_method

    def solve(self, work, equation, y0):
        count = work.steps + 1 if work.save == "all" else 2
        ts = torch.linspace(0.0, work.horizon, count, dtype=y0.dtype)
        options = {"dt": work.horizon / work.steps, "method": self.method}
        if self.adjoint_method is None:
            return torchsde.sdeint(equation, y0, ts, **options)
        options["adjoint_method"] = self.adjoint_method
        return torchsde.sdeint_adjoint(equation, y0, ts, **options)


class Program:
    """A contestant's task on one work. Nothing is compiled: a first run takes its place."""

    def __init__(self, contestant: Torchsde, work: Work, task: str):
        self.contestant, self.work, self.task = contestant, work, task
        self.equation = Equation(work)

    def compile(self):
        pass

    def facts(self):
        return {}

    def run(self):
        torch.manual_seed(0)
        if self.task == "forward":
            with torch.no_grad():
                y0 = torch.tensor(self.work.start())
                return self.contestant.solve(self.work, self.equation, y0)
        self.equation.zero_grad(set_to_none=True)
        y0 = torch.tensor(self.work.start(), requires_grad=True)
        end = self.contestant.solve(self.work, self.equation, y0)[-1]
        (0.5 * end.pow(2).mean()).backward()
        return [leaf.grad for leaf in (*self.equation.parameters(), y0)]

    def result(self):
        return np.concatenate([np.ravel(part) for part in self.run()])


def device():
    return "cpu"


CONTESTANTS = {
    "torchsde Midpoint": Torchsde("midpoint"),
    "torchsde Reversible Heun": Torchsde("reversible_heun"),
    "torchsde Reversible Heun + adjoint": Torchsde("reversible_heun", "adjoint_reversible_heun"),
    "torchsde Reversible Heun + backpropagation": Torchsde("reversible_heun"),
    "torchsde Midpoint + backpropagation": Torchsde("midpoint"),
}
