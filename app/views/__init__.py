"""The pages, in the order of their tabs."""

from app.views.base import Part, View
from app.views.convergence import VIEW as convergence
from app.views.gradients import VIEW as gradients
from app.views.paths import VIEW as paths
from app.views.reversal import VIEW as reversal
from app.views.stability import VIEW as stability


PAGES = {view.name: view for view in (paths, reversal, gradients, stability, convergence)}

__all__ = ["PAGES", "Part", "View"]
