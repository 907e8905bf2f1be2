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
            "window. A cross marks where a path left for good; the scale stays with the reference. "
            "Click at a time to mark it, or press play.",
        ),
        "phase": Part(
            "Phase portrait",
            "The same paths, one component against another: a closed orbit closes, or it does not. "
            "Press play to run along all of them at once; both axes have one scale where both "
            "components have one unit.",
        ),
        "ensemble": Part(
            "Ensemble",
            "Many paths, the same ones for every scheme and every step size: their mean, and a "
            "band from the 5% to the 95% quantile. A path that is no longer a finite number counts "
            "as far out on either side, and a mean ends where it is none or left the window for "
            "good. Below, where the paths end.",
        ),
    },
)
