"""Gradients: can the reversible adjoint be trusted?"""

from app.views.base import Part, View


VIEW = View(
    name="gradients",
    title="Gradients",
    question="Can I trust the gradient?",
    parts={
        "error": Part(
            "Error against h",
            "The gradient of $\\tfrac12 |y_T|^2$ with respect to all parameters and the start, by "
            "the reversible adjoint (no stored trajectory), against float64 discretise-then-optimise "
            "with the same scheme, steps and noise. A cosine of 1 points the right way; below 0, a step "
            "downhill goes up.",
        )
    },
)
