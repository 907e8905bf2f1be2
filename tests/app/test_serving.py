"""What Panel and Bokeh do between a computation and its picture, and no more than that."""

import dataclasses
import time
from types import SimpleNamespace

import panel as pn
import pytest
from bokeh.document import Document
from bokeh.document.models import DocumentModelManager
from bokeh.protocol import Protocol
from panel.io.state import set_curdoc

import ees
from app import compute
from app.layout import Explorer
from app.serving import _opened, answer_at_once, one_picture
from app.study import Study


def test_the_private_switch_of_panel_that_the_app_turns_off_is_still_there():
    from panel.reactive import Syncable

    assert Syncable._debounce == 0
    assert isinstance(Syncable.__dict__["_debounce"], int)


def test_a_websocket_sends_small_messages_at_once():
    from bokeh.server.views.ws import WSHandler

    answer_at_once()  # A second time, as every session may.
    assert WSHandler.open.at_once
    said = []
    handler = SimpleNamespace(ws_connection=object(), set_nodelay=said.append)
    _opened(lambda self: said.append("opened"))(handler)
    assert said == ["opened", True]
    # One that was refused has no connection.
    _opened(lambda self: None)(SimpleNamespace(ws_connection=None))


def test_events_do_not_touch_the_busy_flag_of_all_sessions():
    counted = list(pn.state._busy_counter)
    pn.state._add_busy_event("mine")
    assert pn.state._busy_counter == counted and not pn.state.busy


@pytest.fixture
def served():
    """The app in a document, with its first picture."""
    document = Document()
    with set_curdoc(document):
        experiment = ees.Experiment(steps=20, schemes=("EES25", "RK4"))
        explorer = Explorer(Study(experiment=experiment))
        document.add_root(explorer.pages["paths"].__panel__().get_root(document))
        explorer.draw(experiment, ees.run(experiment))
        yield explorer, document, experiment


def _walks(monkeypatch):
    found, walk = [], DocumentModelManager.recompute

    def counted(self):
        found.append(self)
        walk(self)

    monkeypatch.setattr(DocumentModelManager, "recompute", counted)
    return found


def test_numbers_and_texts_alone_are_no_reason_to_walk_through_all_models(served, monkeypatch):
    explorer, document, experiment = served
    walks = _walks(monkeypatch)
    finer = dataclasses.replace(experiment, steps=40)
    explorer.draw(finer, ees.run(finer))
    assert not walks
    more = dataclasses.replace(experiment, schemes=("EES25", "RK4", "Euler"))
    explorer.draw(more, ees.run(more))
    assert len(walks) == 1
    live = explorer.pages["paths"]._panels["paths"].live
    assert live._glyphs["Euler", "curve"].document is document


def test_only_numbers_that_have_changed_are_sent(served):
    explorer, _, experiment = served
    glyphs = explorer.pages["paths"]._panels["paths"].live._glyphs
    sources = {name: glyphs[name, "curve"].data_source for name in ("EES25", "RK4", "reference")}
    before = {name: source.data for name, source in sources.items()}
    finer = dataclasses.replace(experiment, steps=40)
    explorer.draw(finer, ees.run(finer))
    kept = {name for name, source in sources.items() if source.data is before[name]}
    # The exact solution is what it was.
    assert kept == {"reference"}


def test_arrays_are_part_of_the_one_message(served):
    explorer, document, _ = served
    answer_at_once()
    events = []
    document.on_change(events.append)
    source = explorer.pages["paths"]._panels["paths"].live._glyphs["RK4", "curve"].data_source
    source.data = {name: values + 1 for name, values in source.data.items()}
    message = Protocol().create("PATCH-DOC", events)
    assert message._buffers == [] and "ndarray" in message.content_json


def test_what_is_changed_in_a_picture_that_fails_is_not_forgotten(served, monkeypatch):
    _, document, _ = served
    walks = _walks(monkeypatch)
    with pytest.raises(KeyError), one_picture():
        document.models.invalidate()
        raise KeyError
    assert len(walks) == 1
    document.models.invalidate()
    assert len(walks) == 2


def test_a_first_picture_is_waited_for_but_not_for_long(monkeypatch):
    experiment = ees.Experiment(steps=20, schemes=("EES25",), seed=11)
    assert compute.soon(experiment, 60).plots

    def slowly(experiment):
        time.sleep(1)
        yield from ()

    monkeypatch.setattr(compute, "stream", slowly)
    begun = time.monotonic()
    assert compute.soon(dataclasses.replace(experiment, seed=12), 0.05) is None
    assert time.monotonic() - begun < 0.8
