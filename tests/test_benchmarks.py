"""The benchmarks' own parts. What they measure is not looked at here: no test reads a clock."""

import dataclasses
import json
import pathlib
import sys

import jax
import numpy as np
import pytest

from tests.benchmarks import goals, ours, plan, report
from tests.benchmarks.jax_programs import Program
from tests.benchmarks.rounds import Failed, Worker, result, run_race
from tests.benchmarks.work import Work


ROOT = pathlib.Path(__file__).parents[1]
COMMITTED = sorted((ROOT / "assets/benchmarks").glob("*.json"))


def entry(contestant, seconds, **work):
    runs = [{"cpu": cpu, "wall": 3 * cpu} for cpu in seconds]
    made = {"contestant": contestant, "task": "gradient", "runs": runs, "temp_bytes": 1_500_000}
    work = vars(plan.neural(200)) | work
    return made | {"work": work, "compile": [{"cpu": s, "wall": s} for s in (2.0, 9.0, 1.0)]}


@pytest.fixture
def results():
    """Two contestants whose times double from round to round, as on a machine that is disturbed."""
    entries = [entry("EES25 + Reversible", [1, 2, 4]), entry("floor", [0.5, 1, 2])]
    return {
        "date": "2026-01-01",
        "rounds": 3,
        "machine": {"processor": "Abacus", "versions": {"jax": "0.0"}},
        "races": {"gradient, 200 steps": {"clock": "cpu", "entries": entries}},
    }


class TestRatios:
    def test_they_are_taken_within_a_round(self):
        ours, other = entry("EES25", [1, 2, 4]), entry("other", [3, 6, 16])
        # Of medians it would be 3 too, of means 25 / 7.
        assert report.ratio(other, ours, "cpu") == (3.0, 3.0, 3.5)
        assert report.ratio(other, ours, "wall") == (3.0, 3.0, 3.5)

    def test_who_failed_has_none(self):
        failed = {"contestant": "floor", "error": "ValueError: no", "work": {}}
        race = {"entries": [failed, entry("EES25", [1])]}
        assert report.entry_of(race, "floor") is None
        assert report.base_of(race)["contestant"] == "EES25"
        assert report.entry_of(None, "floor") is None

    def test_the_time_to_compile_is_a_median(self):
        assert report.compile_seconds(entry("EES25", [1])) == 2.0


class TestReport:
    def test_results_come_back_from_their_file(self, results, tmp_path):
        path = tmp_path / "folder" / "cpu.json"
        report.save(results, path)
        assert report.load(path) == results

    def test_infinity_is_refused(self, results, tmp_path):
        results["errors"] = [{"error": float("inf")}]
        with pytest.raises(ValueError, match="JSON"):
            report.save(results, tmp_path / "cpu.json")

    def test_tables_show_ratios_and_costs(self, results):
        table = report.markdown(results).splitlines()
        assert "Abacus, 2026-01-01; jax 0.0" in table[0] and "takes 2000 ms" in table[0]
        assert "| floor | 0.50 |" in table
        assert "| EES25 + Reversible | 1.00 |" in table

    def test_memory_is_that_of_the_fewest_and_the_most_steps(self, results):
        longer = [entry("floor", [], steps=n) | {"temp_bytes": n * 10_000} for n in (500, 5000)]
        results["races"]["memory"] = {"clock": "cpu", "entries": longer}
        eager = entry("torchsde Midpoint", [3, 6, 12])
        results["races"]["gradient, 200 steps"]["entries"].append(eager)
        del eager["temp_bytes"]
        table = report.markdown(results).splitlines()
        assert "| floor | 0.50 | 1.50 to 50.00 | 2.0 |" in table
        assert "| EES25 + Reversible | 1.00 | 1.50 | 2.0 |" in table
        assert "| torchsde Midpoint | 3.00 |  |  |" in table

    def test_races_on_two_cores_have_a_table_of_their_own(self, results):
        entries = [entry("EES25", [4, 4]), entry("EES25, ensemble", [2, 2])]
        results["races"]["two cores, forward"] = {"clock": "wall", "entries": entries}
        table = report.markdown(results).splitlines()
        assert "| two cores, time on the wall | forward |" in table
        assert "| EES25, ensemble | 0.50 |" in table

    def test_what_overflowed_is_said_to_be_not_finite(self, results):
        row = {"contestant": "EES25", "pull": 40.0, "steps": 9, "error": 1e-6}
        results["contraction"] = [row | {"reconstruction": None}]
        assert "| c = 40 | 1e-06 | not finite |" in report.markdown(results)

    def test_a_terminal_shows_failures_too(self, results):
        race = results["races"]["gradient, 200 steps"]
        failed = {"contestant": "Diffrax Heun", "error": "ValueError: no", "work": {}}
        race["entries"].append(failed)
        lines = report.lines_of("gradient, 200 steps", race)
        assert any("Diffrax Heun: ValueError: no" in line for line in lines)
        assert sum("floor" in line for line in lines[1:]) == 1

    def test_a_curve_is_a_row_of_costs(self, results):
        entries = [entry("EES25", [200e-9 * n * 1.5], paths=n) for n in (64, 128)]
        results["races"]["cost over paths"] = {"clock": "cpu", "entries": entries}
        table = report.markdown(results).split("\n\n")[-1]
        assert table.splitlines() == [
            "| cost over paths, ns of a path's step | 64 | 128 |",
            "|---|---|---|",
            "| EES25 | 1.50 | 1.50 |",
        ]

    @pytest.mark.parametrize(
        "number, text",
        [(1430.4, "1430"), (127.2, "127"), (31.26, "31.3"), (9.384, "9.38"), (0.6249, "0.62")],
    )
    def test_digits(self, number, text):
        assert report._digits(number) == text

    def test_only_what_stands_between_the_markers_is_replaced(self):
        text = f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n"
        once = report.rewrite(text, "new")
        assert once.startswith("above\n") and once.endswith("\nbelow\n")
        assert "new" in once and "old" not in once
        assert report.rewrite(once, "new") == once

    @pytest.mark.parametrize("text", ["none", report.BEGIN, f"{report.END}\n{report.BEGIN}"])
    def test_without_markers_nothing_is_written(self, text):
        with pytest.raises(ValueError, match="README.md"):
            report.rewrite(text, "new")


class TestGoals:
    def test_what_is_met_and_what_is_missed(self, results):
        lines = goals.check(results)
        missed = "  MISSED gradient, 200 steps: EES25 + Reversible to floor: 2, at most 1.05"
        assert missed in lines
        assert any(line.startswith("  holds") and "compilation" in line for line in lines)

    def test_nothing_is_said_of_what_was_not_measured(self, results):
        results["races"] = {}
        assert goals.check(results) == []

    def test_a_gradient_that_is_not_finite_is_a_miss(self, results):
        row = {"contestant": goals.OURS, "pull": 40.0, "steps": 1000, "error": None}
        results["contraction"] = [row]
        assert any("MISSED error" in line and "inf" in line for line in goals.check(results))

    def test_the_cost_of_a_step_along_a_curve(self, results):
        entries = [entry("EES25", [float(n)], steps=n, paths=4) for n in (100, 1000)]
        entries.append(entry("EES25", [12_000.0], steps=10_000, paths=4))
        results["races"] = {"cost over steps": {"clock": "cpu", "entries": entries}}
        assert "dearest to cheapest: 1.2, at most 1.1" in goals.check(results)[0]

    def test_a_curve_is_held_against_its_floor_at_every_size(self, results):
        entries = [
            entry(name, [cost * n], paths=n)
            for name, cost in (("EES25", 1.0), ("floor", 0.8))
            for n in (64, 128)
        ]
        entries[-1]["runs"] = [{"cpu": 128.0, "wall": 128.0}]
        results["races"] = {"cost over paths": {"clock": "cpu", "entries": entries}}
        lines = goals.check(results)
        assert lines[0].startswith("  holds  cost over paths: EES25, dearest to cheapest: 1,")
        assert lines[1].startswith("  MISSED cost over paths: EES25 to floor, at worst: 1.25,")
        assert len(lines) == 2  # and none on the floor by itself


class TestCommittedResults:
    """What is in the repository was measured, and the README says what the file says."""

    @pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
    def test_every_file_says_where_and_when(self, path):
        found = report.load(path)
        assert found["date"] and found["machine"]["processor"]
        assert found["machine"]["versions"]["jax"]
        assert found.get("rounds", 7) >= 7
        for race in found.get("races", {}).values():
            assert race["date"] and race["commit"] and race["clock"] in ("cpu", "wall")
            for one in race["entries"]:
                assert "error" in one or len(one.get("runs", range(7))) >= 7

    def test_the_readme_shows_the_committed_results(self):
        text = (ROOT / "README.md").read_text()
        assert report.rewrite(text, report.part(ROOT / "assets/benchmarks")) == text


class TestContestants:
    def test_every_one_that_is_planned_exists(self):
        races = [*plan.FULL.values(), *plan.QUICK.values(), *plan.GPU.values()]
        named = {name for race in races for name, _, _ in race.entries}
        named |= {name for name, _ in plan.SWEPT}
        named |= {name for row in plan.ACCURACY for name in row[::2]}
        here = {name for name in named if plan.library_of(name) == "ours"}
        assert here <= ours.CONTESTANTS.keys()
        assert {plan.library_of(name) for name in named} == {
            "ours",
            "diffrax_peer",
            "torchsde_peer",
        }

    def test_layouts_are_one_solution(self):
        work = Work("lorenz", 20, 3, 3, horizon=0.1, save="all", dtype="float64")
        found = {}
        for name in ("EES25", "EES25, paths last", "EES25, mapped"):
            program = Program(ours.CONTESTANTS[name], work, "forward")
            # One noise for all of them: none.
            program.inputs.parameters["noise"] = 0 * program.inputs.parameters["noise"]
            found[name] = np.asarray(jax.jit(program.function)(program.inputs))
        batched = found["EES25"]
        assert batched.shape == (21, 3, 3)
        np.testing.assert_allclose(found["EES25, paths last"].swapaxes(1, 2), batched, rtol=1e-12)
        np.testing.assert_allclose(found["EES25, mapped"].swapaxes(0, 1), batched, rtol=1e-12)

    def test_what_a_contestant_tells_the_compiler_reaches_it(self):
        work = plan.neural(5, paths=2, dim=3)
        told = dataclasses.replace(ours.CONTESTANTS["EES25"], options={"no_such_option": 1})
        with pytest.raises(jax.errors.JaxRuntimeError, match="no_such_option"):
            Program(told, work, "forward").compile()
        for name, contestant in ours.CONTESTANTS.items():
            assert bool(contestant.options) == name.endswith("wide vectors")

    def test_adjoints_are_one_gradient(self):
        work = plan.neural(60, paths=2, dim=3, dtype="float64")
        found = {
            name: gradient(name, work)
            for name in ours.CONTESTANTS
            if name.startswith("EES25 +") and "ensemble" not in name
        }
        exact = found.pop("EES25 + FullBackprop")
        assert len(found) == 7
        for other in found.values():
            assert np.linalg.norm(other - exact) < 1e-8 * np.linalg.norm(exact)

    def test_the_floor_makes_the_evaluations_of_a_reversed_scheme_and_no_more(self):
        """Multiplications of matrices in the two loops: 3 forwards; 2, 3 and the VJPs of 3 back."""
        work = plan.neural(8, paths=2, dim=3)
        counts = {}
        for name in ("floor", "floor, states free", "EES25 + Reversible"):
            program = Program(ours.CONTESTANTS[name], work, "gradient")
            text = jax.jit(program.function).lower(program.inputs).as_text()
            counts[name] = text.count("dot_general")
        # An evaluation has two networks of two layers; a VJP twice that.
        assert counts["floor"] == 4 * (3 + 2 + 3) + 8 * 3
        assert counts["floor, states free"] == 4 * (3 + 3) + 8 * 3
        assert counts["EES25 + Reversible"] >= counts["floor"]

    def test_precisions_feel_one_noise(self):
        draws = []
        for dtype in ("float32", "float64"):
            work = plan.neural(8, paths=2, dim=3, dtype=dtype)
            inputs = Program(ours.CONTESTANTS["EES25"], work, "forward").inputs
            driver = ours.noise(work, inputs.key, inputs.horizon, inputs.steps, (2, 3))
            draws.append(np.asarray(driver.increment(3).dw))
        np.testing.assert_allclose(draws[0], draws[1], rtol=1e-6)

    def test_a_sweep_of_ours_compiles_nothing(self):
        program = Program(ours.CONTESTANTS["EES25"], plan.neural(40, paths=2, dim=2), "forward")
        assert set(program.compilations().values()) == {0}

    def test_a_sweep_that_compiles_is_seen(self):
        program = Program(ours.CONTESTANTS["EES25"], plan.neural(40, paths=2, dim=2), "forward")
        # Each call traces a function that nobody has seen before.
        program.function = lambda inputs: jax.jit(lambda x: x + 1)(inputs.y0)
        found = program.compilations()
        assert found.pop("h as numbers, bare") == 3
        assert set(found.values()) == {0}


def gradient(name, work):
    program = Program(ours.CONTESTANTS[name], work, "gradient")
    return program.compile() or program.result()


@pytest.fixture(scope="module")
def workers():
    with Worker(sys.executable, "ours", JAX_ENABLE_X64="1") as worker:
        yield {"ours": worker}


class TestWorkers:
    def test_a_race_has_a_row_of_each_round(self, workers):
        names = "floor", "EES25", "nobody", "Diffrax Heun, tree"
        found = run_race(plan.race(names, "forward", plan.neural(4, 2, 2)), workers, 3)
        assert [one["contestant"] for one in found] == list(names[:3])
        assert [len(one.get("runs", ())) for one in found] == [3, 3, 0]
        assert found[2]["error"] == "KeyError: 'nobody'"
        assert found[1]["temp_bytes"] > 0
        json.dumps(found, allow_nan=False)

    def test_results_cross_the_pipe(self, workers):
        work = plan.neural(4, 2, 2, dtype="float64")
        found = result(workers, "EES25 + Reversible", "gradient", work)
        here = gradient("EES25 + Reversible", work)
        np.testing.assert_allclose(found, here, rtol=1e-12, atol=1e-14)

    def test_an_error_is_told_and_the_worker_lives(self, workers):
        with pytest.raises(Failed, match="TypeError"):
            workers["ours"].ask("load")
        assert workers["ours"].ask("device") == jax.devices()[0].device_kind
