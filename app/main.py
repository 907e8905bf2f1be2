"""What `panel serve app` runs for every session: a few lines, the code is in modules."""

from app.programs import prepare


prepare()

from app.layout import page  # noqa: E402


page().servable()
