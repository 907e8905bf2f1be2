"""The one state of a session, and its link."""

import pytest

import ees
from app.study import Study, covers, from_query, to_pairs
from ees.questions import VIEWS
from ees.results import Axis, Plot


EXPERIMENTS = [
    {},
    {"view": "gradients", "model": "kepler", "parameters": {"eccentricity": 0.3}, "steps": 96},
    {"schemes": ("EES27", "McCallumFoster"), "options": {"EES27": {"x": -0.1234567890123}}},
    {"model": "stochastic_lorenz", "component": 2, "horizon": 0.1 + 0.2, "seed": 2**31 - 1},
    {"equal": "evaluations", "precision": "float32", "parameters": {"theta": 1e-9, "mu": -5.0}},
]


@pytest.mark.parametrize("fields", EXPERIMENTS)
def test_a_link_holds_an_experiment_exactly(fields):
    study = Study(experiment=ees.Experiment(**fields))
    assert from_query(study.query()) == (study.experiment, ())


def test_a_link_leaves_out_what_the_model_implies():
    names = {name for name, _ in to_pairs(ees.Experiment())}
    assert names == {"v", "model", "view", "steps", "schemes"}


@pytest.mark.parametrize(
    "query, part",
    [
        ("?model=x", "model='x'"),
        ("?v=99", "The link has version '99'"),
        ("?steps=abc", "steps='abc'"),
        ("?p.theta=1e999", "parameters[theta]=inf"),
        ("?nobody=1", "field='nobody'"),
        ("?EES25.nobody=1", "options[EES25]"),
        ("?" + "x" * 4001, "longer than 4000"),
    ],
)
def test_what_a_link_says_wrongly_is_told_and_replaced_by_its_default(query, part):
    experiment, messages = from_query(query)
    assert experiment == ees.Experiment()
    assert len(messages) == 1 and part in messages[0]


def test_one_bad_value_in_a_link_costs_no_other():
    experiment, messages = from_query("?model=kepler&steps=11&seed=3&p.strength=2.5")
    assert (experiment.model, experiment.seed) == ("kepler", 3)
    assert experiment.parameters == {"strength": 2.5}
    assert len(messages) == 1


def test_a_change_that_does_not_fit_is_refused_with_its_reason_and_changes_nothing():
    study = Study()
    before = study.experiment
    assert not study.change(horizon=-1.0, seed=5)
    assert study.experiment == before and "horizon=-1.0" in study.refused[0]
    assert study.change(seed=5)
    assert study.experiment.seed == 5 and study.refused == ()


def test_another_model_starts_from_its_own_defaults_and_keeps_the_schemes():
    study = Study(experiment=ees.Experiment(parameters={"theta": 3.0}, schemes=("EES27",), seed=8))
    assert study.change(model="kepler")
    wanted = ees.Experiment(model="kepler", schemes=("EES27",), seed=8)
    assert study.experiment == wanted


def test_no_message_repeats_more_than_a_few_lines_of_what_was_typed():
    _, messages = from_query("?model=" + "y" * 3900)
    assert len(messages[0]) < 400


def test_a_click_takes_the_nearest_step_or_the_moment_and_nothing_else():
    study = Study(experiment=ees.Experiment(horizon=8.0, steps=96))
    axes = {symbol: Axis(symbol, symbol) for symbol in "hty"}

    def click(symbol, x):
        study.point(Plot("k", "", axes[symbol], axes["y"], ()), x, 0.0)

    click("h", 0.38)
    assert (study.experiment.steps, study.settled, study.moment) == (21, 1, None)
    click("t", 3.25)
    click("y", 1.0)
    click("h", -1.0)
    assert (study.experiment.steps, study.settled, study.moment) == (21, 1, 3.25)
    click("t", 9.0)
    assert study.moment == 8.0
    # A moment after the end is none.
    study.change(horizon=5.0)
    assert study.moment is None


def test_hidden_series_are_a_set_of_keys_that_no_link_holds():
    study = Study()
    link = study.query()
    study.hide("RK4", True)
    study.hide("EES25", True)
    study.hide("RK4", False)
    study.hide("Heun", False)
    assert study.hidden == {"EES25"} and study.query() == link
    # A scheme hides whatever is drawn of it; one of these hides itself alone.
    assert covers(study.hidden, "EES25/back") and not covers(frozenset({"EES25/back"}), "EES25")
    study.hide("EES25/back", False)
    assert study.hidden == frozenset()


def test_a_click_on_a_plot_changes_what_the_question_makes_of_it():
    study = Study()
    (paths,) = VIEWS["paths"]["time"].blanks[:1]
    study.point(paths, 1.0, 2.0)
    assert study.experiment == ees.Experiment() and study.settled == 0
    study.change(view="stability", choices={"axes": "evaluation"})
    plane, probe = VIEWS["stability"]["linear"].blanks
    study.point(plane, -0.25, 0.75)
    choices = {"axes": "evaluation", "probe_re": -0.25, "probe_im": 0.75}
    assert study.experiment.choices == choices and study.settled == 1
    study.point(probe, 3.0, 1.0)
    assert study.experiment.choices == choices and study.settled == 1
