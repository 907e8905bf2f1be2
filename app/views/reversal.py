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
            "that is reversible by algebra stays at the rounding unit while it is stable; an EES "
            "scheme's error falls with its antisymmetric order. Where the equation contracts "
            "forwards it expands backwards, and every error grows on the way.",
        ),
        "passes": Part(
            "There and back",
            "A line for the way there, marks for the way back. Drag the step size up and watch the "
            "marks leave the line, first near the start, where most reverse steps have added up.",
        ),
        "rough": Part(
            "Rough paths",
            "The error in recovering the start for paths of Hurst index 0.4, 0.5 (Brownian "
            "motion) and 0.6. Theory gives at least (m + 1) H - 1 for a scheme of antisymmetric "
            "order m: 1.4, 2 and 2.6 for EES(2,5). Where noise enters by addition alone it does "
            "better.",
        ),
    },
)
