"""Gradients: can they be trusted, and what do they cost?"""

from app.views.base import Part, View


VIEW = View(
    name="gradients",
    title="Gradients",
    question="Can I trust the gradient?",
    parts={
        "error": Part(
            "Error against h",
            "The gradient of ½|y(T)|² with respect to all parameters and the start, by "
            "the chosen adjoint, against float64 discretise-then-optimise with the same scheme, "
            "steps and noise. A cosine of 1 points the right way; below 0, a step downhill goes "
            "up. The broken line is what no adjoint can mend: the scheme's own error against a "
            "fine solution. An adjoint is good enough when its error is well below that.",
        ),
        "horizon": Part(
            "Over the horizon",
            "The same gradient for a loss at earlier times T, with the same step. Errors of the "
            "way back add up with the number of steps, and grow where the equation contracts: "
            "what contracts forwards expands backwards. Checkpoints begin again from the truth.",
        ),
        "parameters": Part(
            "By parameter",
            "Every entry of the gradient at the present step: a bar for a fine solution and, of "
            "each scheme, a mark for the exact discrete gradient and one for the adjoint's. Where "
            "the two marks part the adjoint is wrong; where they leave the bar together it is the "
            "step.",
        ),
        "cost": Part(
            "Memory and cost",
            "What the gradient of the first chosen scheme needs, for each adjoint. A tape grows "
            "with the steps, recursive checkpoints with their root, the reversible adjoint not at "
            "all, and each of them pays in field evaluations for what it did not keep.",
        ),
    },
)
