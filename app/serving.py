"""What Panel and Bokeh do before they answer, and need not: a slider waits for all of it."""

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator, Set
from importlib import import_module

import panel as pn
from bokeh.core.serialization import Serializer
from bokeh.model import Model
from bokeh.server.views.ws import WSHandler
from bokeh.settings import settings
from panel.custom import ReactiveESM
from panel.io import hold
from panel.io.state import set_curdoc
from panel.reactive import Syncable


# Milliseconds in which the scripts of a page are sent, by the process that fills it.
_SENT = 300


def answer_at_once() -> None:
    """Makes every server and notebook of this process answer an event without a pause.

    - Panel waits 50 ms for more events before it looks at one. The attribute is private;
      tests/app/test_explorer.py fails if it goes.
    - Tornado turns Nagle's algorithm on for a connection that becomes a websocket: a small
      message waits until the one before is acknowledged, which a browser does after 40 ms.
    - Panel keeps one flag of being busy for all sessions, in milliseconds for each event of
      anybody, and patches it into every page. What we compute says so on its own page.
    - Bokeh sends an array as two websocket messages of its own, a hundred of them for a picture of
      many curves; written into the one message that has everything else, they are one. What it
      gains there by compressing numbers is a tenth of their size, and costs more than it saves.
    - What has been imported by now stays: collecting garbage need not look at it again. A page is
      made of some hundred thousand objects that stay too, at which it looks a tenth of the time.
    - A thread that computes lets go of Python after 5 ms; 1 ms keeps the others lively.
    """
    Syncable._debounce = 0
    state = type(pn.state)
    state._add_busy_event = state._remove_busy_event = lambda self, event_id: None
    import_module("bokeh.protocol.messages.patch_doc").Serializer = _Inline
    settings.compression_level.set_value(0)
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(1e-3)
    if not hasattr(WSHandler.open, "at_once"):
        WSHandler.open = _opened(WSHandler.open)


def meanwhile(furnish: Callable[[], None]) -> None:
    """Fills the page of this session while its browser reads scripts, which takes as long.

    The HTML of a page names none of its models: those are asked for when the scripts are read.

    **Arguments:** `furnish()`: is called once, with the session's document current.
    """
    document = pn.state.curdoc
    if document is None or document.session_context is None:
        furnish()
        return

    def fill() -> None:
        # Whoever comes first, the timer or the browser.
        if vars(document).pop("to_json", None):
            with set_curdoc(document):
                furnish()

    def to_json(*arguments, **options):
        fill()
        return document.to_json(*arguments, **options)

    document.to_json = to_json
    document.add_timeout_callback(fill, _SENT)


def early(component: type[ReactiveESM]) -> str:
    """Address of a script that has the module of a component read before any is on the page."""
    module = component._render_esm(server=True)
    return f"data:text/javascript,importShim({module!r})"


@contextlib.contextmanager
def one_picture() -> Iterator[None]:
    """Changes of Bokeh models that go to the browser as one message, and are painted once.

    Bokeh walks through all models of a page when a change may have added one, 20 ms on ours.
    That is done once, and not at all for numbers and texts alone.
    """
    models = getattr(pn.state.curdoc, "models", None)
    with hold():
        if models is None:
            yield
            return
        changed = []
        models._push_freeze()
        models.invalidate = lambda: changed.append(True)
        try:
            yield
        finally:
            del models.invalidate
            models._freeze_count -= 1
            if changed:
                models.invalidate()


@contextlib.contextmanager
def growing(holder: Model, grown: list[Model]) -> Iterator[None]:
    """Changes that only add models to what a page holds, of which it walks through these alone.

    **Arguments:** `holder`: a model of the page; `grown`: by the end, the models that are new to
    what is on the page, and that hold all the others.
    """
    document = holder.document
    if document is None:
        yield
        return
    models = document.models
    before = models.invalidate
    models.invalidate = lambda: None
    try:
        yield
    except BaseException:
        # Who knows what is there by now.
        models.invalidate = before
        before()
        raise
    models.invalidate = before
    for model in (part for one in grown for part in one.references()):
        if model.id not in models._models:
            model._attach_document(document)
            models._models[model.id] = model
            models._new_models.add(model)
            if model.name is not None:
                models._models_by_name.add_value(model.name, model)


class Words(pn.pane.HTML):
    """Text of a page that may follow a slider.

    For each change of a text Panel's own works out all that the pane has, 4 ms on ours.
    """

    def _update(self, ref: str, model: Model) -> None:
        model.text = self._transform_object(self.object)["object"]


class Wrapped(pn.Row):
    """A row that goes on below where the page is narrow.

    Panel's own box that wraps takes a page with five of them 0.1 s longer to appear. Its row takes
    for granted that all it holds has room side by side.
    """

    def __init__(self, *objects, styles: dict[str, str] = {}, **params):
        wrapped = {"flex-wrap": "wrap"} | styles
        super().__init__(*objects, sizing_mode="stretch_width", styles=wrapped, **params)

    def _compute_sizing_mode(self, children, props) -> dict:
        return {}


class _Inline(Serializer):
    """Writes arrays into the message itself, and looks up a model where a change names it.

    Bokeh's own names all models of the page for every message, 3 ms on ours.
    """

    def __init__(self, *, references: Set[Model] = frozenset(), **options):
        super().__init__(**options | {"deferred": False})
        self._known = references

    def get_ref(self, obj):
        ref = super().get_ref(obj)
        if ref is None and isinstance(obj, Model) and obj in self._known:
            return obj.ref
        return ref

    def has_ref(self, obj) -> bool:
        return self.get_ref(obj) is not None


def _opened(connect):
    def open(self) -> None:
        connect(self)
        if self.ws_connection is not None:
            self.set_nodelay(True)

    open.at_once = True
    return open
