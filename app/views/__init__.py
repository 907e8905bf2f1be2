"""The pages, in the order of their tabs."""

from app.views.base import Part, View
from app.views.convergence import VIEW as convergence
from app.views.gradients import VIEW as gradients
from app.views.paths import VIEW as paths
from app.views.reversal import VIEW as reversal


PAGES = {view.name: view for view in (paths, reversal, gradients, convergence)}

__all__ = ["PAGES", "Part", "View"]
