"""What a page is made of."""

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of a page: `title`, for its button; `help`: what to look for, in Markdown."""

    title: str
    help: str


@dataclasses.dataclass(frozen=True)
class View:
    """A page: it asks one question of the experiment and shows the answer's plots.

    - `name`: a key of `ees.questions.VIEWS`, which computes it.
    - `title`, `question`: for the tab and the headline.
    - `parts`: the texts of each of its parts, in the order of `ees.questions.VIEWS[name]`.
    """

    name: str
    title: str
    question: str
    parts: Mapping[str, Part]
