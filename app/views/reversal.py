"""Reversal: can a scheme run backwards?"""

from app.views.base import Part, View


VIEW = View(
    name="reversal",
    title="Reversal",
    question="Can it run backwards?",
    parts={
        "error": Part(
            "Reconstruction error",
            "Each scheme runs to the horizon and then back, with its own reverse steps. A scheme "
            "that is reversible by algebra stays at the rounding unit, while it is stable; an EES "
            "scheme's error falls with its antisymmetric order. Where the equation contracts forwards, "
            "it expands backwards, and every error grows on the way.",
        )
    },
)
