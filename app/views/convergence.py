"""Convergence: how accurate is a scheme?"""

from app.views.base import Part, View


_READ = (
    " Errors fall with the order of a scheme, or with what its increments know of the path, "
    "whichever is less; thin lines have the slopes that theory gives as the step goes to 0. A band "
    "holds the error with 95 per cent confidence, and more paths make it narrower. An ODE has one "
    "path and no band."
)

VIEW = View(
    name="convergence",
    title="Convergence",
    question="How accurate is it?",
    parts={
        "strong": Part(
            "Strong",
            "The root mean square, over many paths, of the error at the end against the exact or a "
            "fine solution **along the same path**. With noises that do not commute, no scheme "
            "that takes increments alone does better than order 1/2, whatever its order for an ODE."
            + _READ,
        ),
        "weak": Part(
            "Weak",
            "The error in a mean: here of the square of the drawn component at the end. Both "
            "means are over the same paths, so that what their samples share cancels; what is "
            "left is the band, and an error below it cannot be told from 0." + _READ,
        ),
        "pathwise": Part(
            "Pathwise",
            "The largest error along a path, at times that all step sizes share, and of all paths "
            "the typical one: the mean is of logarithms, which a rare bad path does not decide. "
            "On a rough path of Hurst index H the order falls, to 2H - 1/2 where noises do not "
            "commute." + _READ,
        ),
    },
)
