"""Stability: why does it blow up?"""

from app.views.base import Part, View


VIEW = View(
    name="stability",
    title="Stability",
    question="Why does it blow up?",
    parts={
        "linear": Part(
            "Linear",
            "Inside its line a scheme lets y' = λy decay. The dots are the eigenvalues λ of the "
            "model's own Jacobian along its reference path, times the step size: **drag the step "
            "size up** and they walk away from 0. One that leaves a domain turns into a brown "
            "cross: there the scheme blows up what the equation damps. Per field evaluation, dear "
            "and cheap schemes compare fairly. **Click anywhere in the plane** to run the test "
            "equation there, forward and back.",
        ),
        "mean_square": Part(
            "Mean square",
            "On dy = λy dt + μy ∘ dW a scheme multiplies y by R(ρ) in each step, with "
            "ρ = λh + μ√h ξ and a standard normal ξ. The second moment decays where E|R(ρ)|² < 1. "
            "The plane is a cut through the pairs of complex λ and μ; grey is where the equation "
            "itself decays.",
        ),
        "order_star": Part(
            "Order stars",
            "Filled is where one step grows less than the exact solution, |R(z)| < |exp(z)|. Around "
            "0 there is one filled sector more than the order. On the imaginary axis, inside of a "
            "sector, oscillations are damped; outside of it they grow.",
        ),
    },
)
