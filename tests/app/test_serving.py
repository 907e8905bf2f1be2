"""What Panel and Bokeh do between a computation and its picture, and no more than that."""

import dataclasses
import json
import time
from types import SimpleNamespace

import panel as pn
import pytest
from bokeh.document import Document
from bokeh.document.models import DocumentModelManager
from bokeh.models import ColumnDataSource, GlyphRenderer, Line
from bokeh.protocol import Protocol
from panel.io.state import set_curdoc

import ees
from app import compute
from app.layout import Explorer
from app.serving import (
    Words,
    Wrapped,
    _opened,
    answer_at_once,
    growing,
    meanwhile,
    one_picture,
)
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


@pytest.mark.parametrize("asked", ["early", "late"])
def test_a_page_is_filled_once_and_before_anybody_reads_its_models(asked):
    document, filled = Document(), []
    context = SimpleNamespace(session=None, request=None)
    document._session_context = lambda: context
    with set_curdoc(document):
        meanwhile(lambda: filled.append(pn.state.curdoc))
    assert filled == []
    (later,) = document.session_callbacks
    steps = [later.callback, document.to_json]
    for step in steps if asked == "late" else reversed(steps):
        step()
        assert filled == [document]


def test_where_no_browser_reads_scripts_a_page_is_filled_at_once():
    filled = []
    meanwhile(lambda: filled.append(True))
    assert filled == [True]


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


def test_curves_that_arrive_are_walked_through_alone_and_those_that_go_cost_a_walk(
    served, monkeypatch
):
    explorer, document, experiment = served
    walks = _walks(monkeypatch)
    more = dataclasses.replace(experiment, schemes=("EES25", "RK4", "Euler"))
    explorer.draw(more, ees.run(more))
    live = explorer.pages["paths"]._panels["paths"].live
    assert not walks and live._glyphs["Euler", "curve"].document is document
    # What Bokeh itself would have found.
    attached, named = set(document.models), set(document.models.get_all_by_name("Euler"))
    document.models.recompute()
    assert attached == set(document.models)
    assert all(model.document is document for model in attached)
    assert named and named == set(document.models.get_all_by_name("Euler"))
    walks.clear()
    explorer.draw(experiment, ees.run(experiment))
    assert len(walks) == 1
    entry = live._entries["Euler"]
    assert entry.document is None
    explorer.draw(more, ees.run(more))
    assert len(walks) == 1 and entry.document is document
    # Marks, a cross and a time come to curves that are there.
    coarse = dataclasses.replace(more, steps=5, schemes=("EES25", "RK4", "ReversibleHeun", "Euler"))
    smooth = dataclasses.replace(coarse, steps=5040)
    explorer.draw(smooth, ees.run(smooth))
    explorer.draw(coarse, ees.run(coarse))
    attached = set(document.models)
    document.models.recompute()
    assert attached == set(document.models)


def test_points_for_the_first_moment_are_walked_through_alone(served, monkeypatch):
    explorer, document, _ = served
    walks = _walks(monkeypatch)
    explorer.study.moment = 2.0
    glyphs = explorer.pages["paths"]._panels["paths"].live._glyphs
    assert not walks and glyphs["RK4", "moment"].document is document
    attached = set(document.models)
    document.models.recompute()
    gone = attached - set(document.models)
    # Filters that let everything through gave way.
    assert set(document.models) <= attached and {type(m).__name__ for m in gone} <= {"AllIndices"}


def test_the_browser_hears_of_no_model_before_it_meets_it(served):
    explorer, document, experiment = served
    answer_at_once()
    met = {model.id for model in document.models}
    events = []
    document.on_change(events.append)
    # Marks, a cross and a time come with large steps, on a curve that is new and on others.
    coarse = dataclasses.replace(experiment, steps=5, schemes=("EES25", "RK4", "ReversibleHeun"))
    explorer.pages["paths"]._panels["paths"].live.draw(ees.run(coarse).plots[0])
    message = json.loads(Protocol().create("PATCH-DOC", events).content_json)

    def named(value, of=None):
        if isinstance(value, dict):
            if set(value) == {"id"}:
                yield value["id"]
            elif value.get("type") == "object" and "id" in value:
                met.add(value["id"])
            for part in value.values():
                yield from named(part)
        elif isinstance(value, list):
            for part in value:
                yield from named(part)

    unknown = [name for name in named(message["events"]) if name not in met]
    assert len(met) > len(set(document.models)) / 2 and unknown == []


def test_what_grows_and_fails_is_walked_through_after_all(served, monkeypatch):
    explorer, document, _ = served
    walks = _walks(monkeypatch)
    figure = explorer.pages["paths"]._panels["paths"].live._figure
    with pytest.raises(KeyError), growing(figure, []):
        figure.renderers.append(GlyphRenderer(data_source=ColumnDataSource(), glyph=Line()))
        assert not walks
        raise KeyError
    assert len(walks) == 1 and figure.renderers[-1].document is document


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


@pytest.mark.parametrize("safe", [False, True])
def test_a_text_that_changes_is_what_panels_own_pane_makes_of_it(safe):
    text = "<b>h < 1</b> &amp; <script>alert(1)</script>"
    panes = [kind("first", sanitize_html=safe) for kind in (Words, pn.pane.HTML)]
    models = [pane.get_root() for pane in panes]
    for pane in panes:
        pane.object = text
    assert models[0].text == models[1].text != "first"


def test_a_row_that_wraps_needs_no_more_room_than_a_narrow_page_has():
    row = Wrapped(*(pn.Spacer(width=230) for _ in range(3)))
    assert not row.get_root().min_width and row.get_root().styles["flex-wrap"] == "wrap"
    side_by_side = pn.Row(*row, sizing_mode="stretch_width").get_root()
    assert side_by_side.min_width == 690
