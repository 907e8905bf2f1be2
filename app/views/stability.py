"""Stability: why does it blow up?"""

from app.views.base import Part, View


VIEW = View(
    name="stability",
    title="Stability",
    question="Why does it blow up?",
    parts={
        "linear": Part(
            "Linear",
            "Inside its line a scheme lets $y' = \\lambda y$ decay. The dots are the eigenvalues "
            "$\\lambda$ of the model's own Jacobian along its reference path, times the step size: "
            "**drag the step size up** and they walk away from 0; one that leaves a domain turns "
            "into a brown cross, and there the scheme blows up what the equation damps. Per field "
            "evaluation, dear and cheap schemes compare fairly. **Click anywhere in the plane** to "
            "run the test equation there, forward and back.",
        ),
        "mean_square": Part(
            "Mean square",
            "On $dy = \\lambda y dt + \\mu y \\circ dW$ the second moment decays where "
            "$\\mathbb E|R(\\rho)|^2 < 1$ with $\\rho = \\lambda h + \\mu\\sqrt h \\xi$. The plane "
            "cuts through the pairs of complex $\\lambda h$ and $\\mu$; grey is where the equation "
            "itself is stable, which no scheme can know beforehand.",
        ),
        "order_star": Part(
            "Order stars",
            "Filled is where one step grows less than the exact solution, $|R(z)| < |e^z|$. Near 0 "
            "the picture is a star with one sector more than the order; where it meets the "
            "imaginary axis, oscillations are damped, and where it leaves it they grow.",
        ),
    },
)
