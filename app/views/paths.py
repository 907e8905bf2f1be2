"""Paths: what does a scheme do?"""

from app.views.base import Part, View


VIEW = View(
    name="paths",
    title="Paths",
    question="What does it do?",
    parts={
        "time": Part(
            "Time series",
            "Every scheme runs on **the same Brownian path**, at every step size. Drag the step "
            "size up and watch which scheme leaves the reference first, and which one leaves the "
            "window. A cross marks where a path left for good; the scale stays with the reference.",
        )
    },
)
