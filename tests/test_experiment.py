"""An experiment is what it says, survives its text, and refuses or repairs everything else."""

import dataclasses
import math
import random
import string
from types import MappingProxyType

import jax.numpy as jnp
import numpy as np
import pytest

import ees
from ees import Experiment
from ees.drivers import LATTICE, divisors
from ees.experiment import STEP_COUNTS


GOOD = (
    {},
    {"view": "reversal", "part": "error", "steps": 5040, "seed": 2**31 - 1},
    {"model": "geometric_brownian_motion", "hurst": 0.4},
    {"model": "kepler", "parameters": {"eccentricity": 0.1 + 0.2}, "component": 3},
    {"model": "neural_sde", "horizon": 1 / 3, "precision": "float32", "equal": "evaluations"},
    {"schemes": ["EES27"], "options": {"EES27": {"branch": -1, "x": 0.2}, "EES25": {"x": 1e-300}}},
    {"parameters": {"theta": 1, "sigma": 5e-324, "mu": -0.0}, "horizon": 1000},
)


@pytest.mark.parametrize("fields", GOOD)
def test_an_experiment_comes_back_from_its_json_as_its_equal(fields):
    experiment = Experiment(**fields)
    text = experiment.to_json()
    again = Experiment.from_json(text)
    assert again == experiment and again.to_json() == text
    assert "\n" not in text
    repaired, messages = Experiment.repaired(dataclasses.asdict(experiment))
    assert repaired == experiment and messages == ()


def test_what_is_left_out_is_the_models_own():
    experiment = Experiment(model="kepler")
    model = ees.MODELS["kepler"]()
    assert (experiment.horizon, experiment.steps) == (model.horizon, 96)
    for name, make in ees.MODELS.items():
        steps = Experiment(model=name).steps
        closest = min(abs(math.log(n / make().steps)) for n in STEP_COUNTS)
        assert abs(math.log(steps / make().steps)) == closest


def test_an_experiment_keeps_its_own_copy_of_what_it_is_given():
    parameters, options = {"theta": 2.0}, {"EES25": {"x": 0.2}}
    experiment = Experiment(parameters=parameters, options=MappingProxyType(options))
    parameters["theta"] = 3.0
    options["EES25"]["x"] = 0.3
    assert experiment.parameters == {"theta": 2.0} and experiment.options == {"EES25": {"x": 0.2}}
    assert Experiment.from_json(experiment.to_json()) == experiment


HUGE = 10**5000
DEEP, DEEP_KEY = {}, ()
for _ in range(2000):
    DEEP, DEEP_KEY = {"a": DEEP}, (DEEP_KEY,)

# Arguments, and what the message must say: the argument, its value, what is allowed.
BAD = [
    (
        {"view": "path"},
        "view='path': allowed are convergence, gradients, paths, reversal, stability",
    ),
    ({"view": None}, "view=None: allowed are"),
    ({"part": "error"}, "part='error': allowed are ensemble, phase, time"),
    ({"part": 3}, "part=3: allowed are ensemble, phase, time"),
    ({"choices": {"colour": "red"}}, "choices='colour': allowed are"),
    ({"choices": 1}, "choices=1: it must be a mapping"),
    ({"hurst": 0.25}, "hurst=0.25: allowed is every number above 0.25 and below 1"),
    ({"hurst": "rough"}, "hurst='rough': it must be a finite number"),
    ({"view": DEEP}, "view={'a': {'a': .*: allowed are"),
    ({"model": "lorenz"}, "model='lorenz': allowed are .*stochastic_lorenz"),
    ({"equal": "cost"}, "equal='cost': allowed are evaluations, steps"),
    ({"precision": "float16"}, "precision='float16': allowed are float32, float64"),
    ({"precision": b"float64"}, "precision=b'float64': allowed are float32, float64"),
    ({"schemes": "EES25"}, "schemes='EES25': it must be a list of names"),
    ({"schemes": []}, r"schemes=\(\): one or more are needed, each once"),
    ({"schemes": ["Heun", "Heun"]}, r"schemes=\('Heun', 'Heun'\): one or more .* each once"),
    ({"schemes": ["Heun", "heun"]}, "schemes='heun': allowed are .*Heun"),
    ({"schemes": [["Heun"]]}, r"schemes=\['Heun'\]: allowed are"),
    ({"options": []}, r"options=\[\]: it must be a mapping"),
    ({"options": {"EES26": {}}}, "options='EES26': allowed are .*EES25, EES27"),
    ({"options": {"EES25": 0.1}}, r"options\[EES25\]=0.1: it must be a mapping"),
    ({"options": {"EES25": {"x": "1"}}}, r"options\[EES25\]\[x\]='1': it must be a finite number"),
    ({"options": {"EES25": {"x": 0.5}}}, r"options\[EES25\]=.*x=0.5: .*Allowed is every real x bu"),
    ({"options": {"EES25": {"y": 0.1}}}, r"options\[EES25\]=\{'y': 0.1\}: .*argument 'y'"),
    ({"options": {"EES25": {1: 0.1}}}, r"options\[EES25\]=\{1: 0.1\}: keywords must be strings"),
    ({"options": {"EES27": {"branch": 0}}}, r"options\[EES27\].*branch=0: .*two branches, \+1 and"),
    # No argument of the scheme, though a field of its class.
    ({"options": {"ReversibleHeun": {"evaluations": 9}}}, r"options\[ReversibleHeun\].*'evaluatio"),
    ({"parameters": None}, "parameters=None: it must be a mapping"),
    ({"parameters": {"alpha": 1.0}}, "parameters='alpha': allowed are mu, sigma, theta, y0"),
    ({"parameters": {1: 1.0}}, "parameters=1: allowed are mu, sigma, theta, y0"),
    ({"parameters": {"theta": 51.0}}, "theta=51.0: allowed is every number from 0.0 to 50.0"),
    ({"parameters": {"theta": math.nan}}, r"parameters\[theta\]=nan: it must be a finite number"),
    ({"parameters": {"theta": True}}, r"parameters\[theta\]=True: it must be a finite number"),
    ({"parameters": {"theta": HUGE}}, r"parameters\[theta\]=an integer of 16610 bits: it must be"),
    ({"horizon": 0.001}, "horizon=0.001: allowed is every number from 0.01 to 1000"),
    ({"horizon": 1001}, "horizon=1001: allowed is every number from 0.01 to 1000"),
    ({"horizon": "3"}, "horizon='3': it must be a finite number"),
    ({"steps": 81}, "steps=81: it must be a divisor of 20160 from 2 to 5040"),
    ({"steps": 20160}, "steps=20160: it must be a divisor of 20160 from 2 to 5040"),
    ({"steps": 80.0}, "steps=80.0: it must be a divisor"),
    ({"steps": HUGE}, "steps=an integer of 16610 bits: it must be a divisor"),
    ({"seed": -1}, "seed=-1: allowed is every whole number from 0 to 2147483647"),
    ({"seed": 2**31}, "seed=2147483648: allowed is every whole number from 0 to 2147483647"),
    ({"seed": 1.0}, "seed=1.0: allowed is every whole number"),
    ({"component": 1}, "component=1: allowed is every whole number from 0 to 0"),
    ({"model": "kepler", "component": 4}, "component=4: allowed is every whole number from 0 to 3"),
]


@pytest.mark.parametrize("fields, message", BAD, ids=range(len(BAD)))
def test_a_bad_field_is_refused_with_its_name_its_value_and_what_is_allowed(fields, message):
    with pytest.raises(ValueError, match=message):
        Experiment(**fields)


@pytest.mark.parametrize("fields, message", BAD, ids=range(len(BAD)))
def test_a_bad_field_is_repaired_and_the_good_ones_beside_it_are_kept(fields, message):
    good = {"seed": 5, "horizon": 2.5, "model": "ornstein_uhlenbeck"}
    good = {name: value for name, value in good.items() if name not in fields}
    experiment, messages = Experiment.repaired({**fields, **good})
    assert all(getattr(experiment, name) == value for name, value in good.items())
    assert len(messages) == 1 and messages[0].endswith("The default is used instead.")
    assert len(messages[0]) < 400
    assert Experiment.from_json(experiment.to_json()) == experiment


def test_a_bad_entry_of_a_mapping_costs_no_other_entry():
    experiment, messages = Experiment.repaired(
        {
            "parameters": {"theta": 3.0, "kappa": 1.0, "mu": 99.0, "sigma": 0.25},
            "options": {"EES27": {"branch": -1}, "EES25": {"x": 1.0}, "Nystrom": {}},
        }
    )
    assert experiment.parameters == {"theta": 3.0, "sigma": 0.25}
    assert experiment.options == {"EES27": {"branch": -1}}
    assert len(messages) == 4


def test_the_model_is_known_before_its_parameters_are_looked_at():
    values = {"component": 3, "parameters": {"eccentricity": 0.5}, "model": "kepler"}
    experiment, messages = Experiment.repaired(values)
    assert messages == () and experiment.component == 3
    assert experiment.parameters == {"eccentricity": 0.5}


LETTERS = string.printable + "é\u202e\ud800\x00🙃"


def _junk(rng, depth=0):
    """Any kind of value, nested now and then."""
    kinds = [
        lambda: rng.choice([None, True, False, math.nan, math.inf, -math.inf, -0.0, 5e-324]),
        lambda: rng.choice([1, 0, -1, 2**31, 2**63, 10**400, -HUGE, 80, 1.0, 0.5, 1e300, 1e308]),
        lambda: "".join(rng.choices(LETTERS, k=rng.randrange(9))),
        lambda: rng.choice([*ees.MODELS, *ees.SCHEMES, "theta", "x", "paths", "float32", "steps"]),
        lambda: rng.choice([b"bytes", 1 + 2j, object(), math, np.float64(0.3), np.int64(3), DEEP]),
        lambda: np.zeros(rng.randrange(3)),
        lambda: [HUGE] * rng.randrange(3),
    ]
    if depth < 4:
        kinds += 2 * [
            lambda: [_junk(rng, depth + 1) for _ in range(rng.randrange(4))],
            lambda: tuple(_junk(rng, depth + 1) for _ in range(rng.randrange(3))),
            lambda: {_name(rng): _junk(rng, depth + 1) for _ in range(rng.randrange(4))},
        ]
    return rng.choice(kinds)()


def _name(rng):
    names = [*ees.SCHEMES, "theta", "mu", "x", "branch", "name", "tableau", "eccentricity"]
    odd = [0, 1.5, None, (1, "a"), "\ud800", "", HUGE, DEEP_KEY, frozenset({1})]
    return rng.choice(names + odd)


FIELDS = tuple(Experiment.__dataclass_fields__)


@pytest.mark.parametrize("seed", range(8))
def test_no_values_whatever_break_a_repair(seed):
    rng = random.Random(seed)
    for _ in range(60):
        names = [*rng.sample(FIELDS, rng.randrange(5)), *(_name(rng) for _ in range(2))]
        values = {name: _junk(rng) for name in names}
        experiment, messages = Experiment.repaired(values)
        assert Experiment.from_json(experiment.to_json()) == experiment
        for name in names:
            # Kept, or complained about.
            kept = name in FIELDS and _same(getattr(experiment, name), values[name])
            assert kept or messages
        assert all(len(message) < 400 for message in messages)
        again, none = Experiment.repaired(dataclasses.asdict(experiment))
        assert again == experiment and none == ()


def _same(kept, given):
    if isinstance(given, list | tuple):
        given = tuple(given)
    try:
        return type(kept) is type(given) and bool(kept == given)
    except ValueError:  # an array does not compare to one truth value, and is never kept
        return False


@pytest.mark.parametrize("values", [None, 5, "x", [("seed", 1)]])
def test_a_repair_is_of_a_mapping(values):
    with pytest.raises(ValueError, match="values=.*: it must be a mapping"):
        Experiment.repaired(values)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "text='': it is not JSON"),
        ("{", "text='{': it is not JSON"),
        ("[" * 100_000, r"text='\[\[.*: it is not JSON"),
        ('{"seed": ' + "9" * 5000 + "}", "text=.*: it is not JSON"),
        ("[]", r"text='\[\]': an experiment is a JSON object"),
        ("null", "text='null': an experiment is a JSON object"),
        ('{"sead": 1}', "field='sead': allowed are choices, component, equal,.* seed"),
        ('{"horizon": NaN}', "horizon=nan: it must be a finite number"),
    ],
)
def test_text_that_is_no_experiment_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Experiment.from_json(text)


@pytest.mark.parametrize(
    "schemes", [("EES25",), ("EES25", "RK4", "ReversibleHeun"), ("RK4", "Heun")]
)
def test_at_equal_evaluations_each_scheme_spends_the_budget_or_a_lattice_step_less(schemes):
    lattice = divisors(LATTICE)
    dearest = max(ees.SCHEMES[name]().evaluations for name in schemes)
    for steps in STEP_COUNTS:
        experiment = Experiment(schemes=schemes, steps=steps, equal="evaluations")
        budget = steps * dearest
        for name in schemes:
            cost, taken = ees.SCHEMES[name]().evaluations, experiment.steps_of(name)
            assert taken in lattice and taken * cost <= budget
            following = [n for n in lattice if n > taken]
            assert not following or following[0] * cost > budget
        equal = dataclasses.replace(experiment, equal="steps")
        assert {equal.steps_of(name) for name in schemes} == {steps}
        assert equal.steps_of(schemes[0], 9) == 9


def test_the_path_of_a_seed_is_one_path_in_both_precisions():
    # The float32 path is the float64 one, rounded; drawn afresh it would be another.
    double, single = (
        Experiment(precision=p, seed=3).problem("EES25", 80) for p in ("float64", "float32")
    )
    assert double.driver.values.dtype == jnp.float64
    assert single.driver.values.dtype == single.y0.dtype == jnp.float32
    rounded = np.asarray(double.driver.values).astype(np.float32)
    np.testing.assert_array_equal(single.driver.values, rounded)
    other = Experiment(seed=4).problem("EES25", 80)
    assert np.abs(other.driver.values - double.driver.values).max() > 0.1


def test_the_unit_is_the_distance_from_one_to_the_next_number():
    assert Experiment().unit == 2.0**-52
    assert Experiment(precision="float32").unit == 2.0**-23


def test_options_reach_the_scheme_and_parameters_the_model():
    experiment = Experiment(options={"EES25": {"x": 0.25}}, parameters={"theta": 3.0})
    np.testing.assert_array_equal(experiment.scheme("EES25").tableau.a, ees.EES25(0.25).tableau.a)
    assert float(experiment.subject.field.drift.theta) == 3.0
