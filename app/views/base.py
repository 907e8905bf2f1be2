"""What a page is made of."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class View:
    """A page: it asks one question of the experiment and shows the answer's plots.

    - `name`: a key of `ees.questions.VIEWS`, which computes it.
    - `title`, `question`: for the tab and the headline; `help`: what to look for, in Markdown.
    - `steady`: whether the numbers take long enough for a progress bar.
    """

    name: str
    title: str
    question: str
    help: str
    steady: bool = False
