"""The app as one object: its controls, its pages, and what belongs to a plot."""

import asyncio
import dataclasses

import pytest

import ees
from app.choices import Choices
from app.layout import Explorer, explore
from app.study import Study
from app.symbols import label, plain
from app.views import PAGES
from ees.questions import VIEWS


def test_a_number_is_shown_only_where_it_means_something():
    study = Study(experiment=ees.Experiment(view="stability", part="mean_square"))
    choices = Choices(study.experiment.question, study)
    angle, section = choices._widgets["drift_angle"], choices._widgets["section"]
    assert not angle.visible
    section.value = "angles"
    assert angle.visible
    section.value = "imaginary"
    assert not angle.visible


def test_a_script_can_be_had_before_the_first_picture():
    explorer = Explorer(Study(experiment=ees.Experiment(model="kepler")))
    panel = explorer.pages["paths"]._panels["paths"]
    assert 'model": "kepler"' in asyncio.run(_file(panel, "Python")).decode()
    assert asyncio.run(_file(panel, "CSV")) == b"series,time [1],solution [1]\n"


async def _file(panel, label):
    (button,) = (b for b in panel.parts[2] if b.label == label)
    return (await button.callback()).getvalue()


def test_a_caption_follows_the_plot_and_is_its_title_where_there_is_none(plot):
    panel = Explorer(Study()).pages["paths"]._panels["paths"]
    panel.draw(ees.Experiment(), dataclasses.replace(plot, caption="1 < 2"))
    assert panel.caption.object == '<p aria-live="polite">1 &lt; 2</p>'
    panel.draw(ees.Experiment(), dataclasses.replace(plot, caption=""))
    assert plot.title in panel.caption.object
    assert not panel.table.visible


def test_every_part_of_every_question_has_its_texts():
    assert {v: list(parts) for v, parts in VIEWS.items()} == {
        name: list(view.parts) for name, view in PAGES.items()
    }


@pytest.mark.parametrize("name", ees.MODELS)
def test_symbols_are_plain_text_in_widgets(name):
    model = ees.MODELS[name]()
    texts = [*map(plain, model.components), *map(label, model.parameters)]
    assert all(text.strip() and not set(text) & set("\\{}_$") for text in texts)
    assert len(set(texts)) == len(texts)


def test_controls_follow_the_study_and_the_study_follows_them(monkeypatch):
    # Outside of a server nobody runs what a change would start.
    monkeypatch.setattr(Explorer, "refresh", lambda self: None)
    study = Study()
    explorer = Explorer(study)
    controls = explorer.controls
    study.change(model="stochastic_lorenz", steps=720)
    assert controls.model.value == "stochastic_lorenz" and controls.steps.value == 720
    assert list(controls.component.options) == ["x", "y", "z"]
    controls.component.value = 2
    assert study.experiment.component == 2
    sliders = list(controls._parameters._column)
    assert [slider.label for slider in sliders][0] == "σ (1/time)"
    sliders[0].value = 11.0
    assert study.experiment.parameters["sigma"] == 11.0
    # Sliders that are in a user's hand are not replaced.
    assert list(controls._parameters._column) == sliders
    controls.horizon.value = "nonsense"
    assert controls.horizon.value == "5" and "horizon='nonsense'" in study.refused[0]
    controls.schemes.value = []
    assert study.experiment.schemes and set(controls.schemes.value) == set(study.experiment.schemes)


def test_what_a_link_was_refused_for_is_still_said_when_its_page_is_built():
    study = Study()
    study.read("?view=stability&part=mean_square&c.section=4")
    (message,) = study.refused
    assert message.startswith("choices[section]=4: allowed is real, imaginary, diagonal, across")
    Explorer(study)
    assert study.refused == (message,) and study.experiment.part == "mean_square"


def test_explore_shows_the_computed_picture_at_once():
    explorer = explore(model="kepler", schemes=("EES25",))
    wanted = ees.run(ees.Experiment(model="kepler", schemes=("EES25",))).plots[0]
    assert explorer.pages["paths"]._panels["paths"].live.plot.to_csv() == wanted.to_csv()


def test_explore_refuses_what_an_experiment_refuses():
    with pytest.raises(ValueError, match="model='nobody'"):
        explore(model="nobody")
