import pytest

import ees


@pytest.fixture(scope="module")
def plot():
    """Three schemes on one path, one of which leaves the window."""
    schemes = ("EES25", "RK4", "ReversibleHeun")
    return ees.run(ees.Experiment(steps=45, schemes=schemes)).plots[0]
