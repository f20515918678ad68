from __future__ import annotations

from pathlib import Path

import pytest

from mdstudy.base.errors import SpecError
from mdstudy.study.studyfile import list_studies, load_study, plan_runs
from mdstudy.system.composition import resolve

GOOD = """
title = "a test"
protocol = "quick"
atoms = 1000
seed = 5
replicas = 2
[[runs]]
system = "lhci"
[[runs]]
system = "dlhci"
variant = "B"
charge_scale = 0.7
[[ratios]]
of = "dlhci"
to = "lhci"
"""

SYSTEM = """
title = "one substance"
default_variant = "pure"
[variants.pure]
assumption = "pure"
amounts = { TTE = "1 mol" }
"""


def written(folder: Path, text: str, name: str = "made.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def test_a_study_becomes_runs_with_names_and_seeds_of_their_own(tmp_path: Path) -> None:
    study, path = load_study(written(tmp_path, GOOD))
    runs = plan_runs(study, path)
    assert [run.name for run in runs] == ["lhci-A-r1", "lhci-A-r2", "dlhci-B-q0.7-r1", "dlhci-B-q0.7-r2"]
    assert [(run.variant, run.replica, run.charge_scale) for run in runs] == [
        ("A", 1, None),
        ("A", 2, None),
        ("B", 1, 0.7),
        ("B", 2, 0.7),
    ]
    assert len({run.seed for run in runs}) == 4
    assert plan_runs(study, path) == runs


def test_a_study_may_go_on_until_a_number_is_known(tmp_path: Path) -> None:
    study, _ = load_study(written(tmp_path, 'until = "conductivity 10 %"\nat_most = "50 ns"\n' + GOOD))
    assert (study.until, study.at_most) == ("conductivity 10 %", 50_000.0)
    with pytest.raises(SpecError, match=r'made.toml: until: until "conductivty 10 %": no quantity'):
        load_study(written(tmp_path, 'until = "conductivty 10 %"\n' + GOOD))
    with pytest.raises(SpecError, match=r"made.toml: at_most: is the limit of until, which is not there"):
        load_study(written(tmp_path, 'at_most = "50 ns"\n' + GOOD))


def test_another_seed_changes_every_run_and_another_run_changes_none(tmp_path: Path) -> None:
    seeds = [run.seed for run in plan_runs(*load_study(written(tmp_path, GOOD)))]
    other = [run.seed for run in plan_runs(*load_study(written(tmp_path, GOOD.replace("seed = 5", "seed = 6"))))]
    assert not set(seeds) & set(other)
    longer = GOOD.replace("[[ratios]]", '[[runs]]\nsystem = "tte"\n[[ratios]]')
    assert [run.seed for run in plan_runs(*load_study(written(tmp_path, longer)))][:4] == seeds


def test_lists_of_charge_scales_and_temperatures_make_a_run_of_each(tmp_path: Path) -> None:
    swept = GOOD.replace("seed = 5", 'seed = 5\ncharge_scale = [0.8, 1]\ntemperature = ["300 K", "400 K"]')
    swept = swept.replace("replicas = 2", "replicas = 1")
    runs = plan_runs(*load_study(written(tmp_path, swept)))
    assert [run.name for run in runs] == [
        "lhci-A-q0.8-300K-r1",
        "lhci-A-q0.8-400K-r1",
        "lhci-A-q1-300K-r1",
        "lhci-A-q1-400K-r1",
        "dlhci-B-q0.7-300K-r1",
        "dlhci-B-q0.7-400K-r1",
    ]
    assert [(run.charge_scale, run.temperature) for run in runs][2:5] == [(1.0, 300.0), (1.0, 400.0), (0.7, 300.0)]
    assert len({run.seed for run in runs}) == 6


def test_a_list_of_force_fields_makes_a_run_of_each_at_each_scale(tmp_path: Path) -> None:
    swept = GOOD.replace("seed = 5", 'seed = 5\ncharge_scale = [0.8, 1]\nforce_field = ["clp-opls", "gaff2-resp"]')
    swept = swept.replace("replicas = 2", "replicas = 1").replace(
        "charge_scale = 0.7", 'charge_scale = 0.7\nforce_field = "gaff2-resp"'
    )
    runs = plan_runs(*load_study(written(tmp_path, swept)))
    assert [run.name for run in runs] == [
        "lhci-A-clp-opls-q0.8-r1",
        "lhci-A-clp-opls-q1-r1",
        "lhci-A-gaff2-resp-q0.8-r1",
        "lhci-A-gaff2-resp-q1-r1",
        "dlhci-B-gaff2-resp-q0.7-r1",
    ]
    assert [(run.force_field, run.charge_scale) for run in runs][1:4] == [
        ("clp-opls", 1.0),
        ("gaff2-resp", 0.8),
        ("gaff2-resp", 1.0),
    ]
    assert len({run.seed for run in runs}) == 5


def test_a_system_may_lie_beside_the_study(tmp_path: Path) -> None:
    system = written(tmp_path, SYSTEM, "mine.toml")
    study, path = load_study(written(tmp_path, 'title = "t"\nprotocol = "quick"\n[[runs]]\nsystem = "mine.toml"\n'))
    (run,) = plan_runs(study, path)
    assert (run.name, run.system) == ("mine-pure-r1", system)
    assert resolve(run.system, run.variant, study.atoms).molecules.keys() == {"TTE"}


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("replicas", "replica", "replica", ['Did you mean "replicas"?']),
        ("replicas = 2", "replicas = 0", "replicas", ["greater than or equal to 1"]),
        ('variant = "B"', 'varaint = "B"', "runs.1.varaint", ['Did you mean "variant"?']),
        ('variant = "B"', 'variant = "Bb"', "runs.1.variant", ['dlhci has no variant "Bb". Did you mean "B"?']),
        ("charge_scale = 0.7", "charge_scale = -0.7", "runs.1.charge_scale.0", ["greater than 0"]),
        ('system = "dlhci"', 'system = "dlchi"', "runs.1.system", ['"dlchi": no such file', 'Did you mean "dlhci"?']),
        ('protocol = "quick"', 'protocol = "quik"', "protocol", ['"quik": no such file', 'Did you mean "quick"?']),
        ("seed = 5", 'seed = 5\nforce_field = "clp-oplss"', "force_field", ['Did you mean "clp-opls"?']),
        ("charge_scale = 0.7", 'force_field = "gaff2-rsp"', "runs.1.force_field", ['Did you mean "gaff2-resp"?']),
        ("seed = 5", "seed = 5\nforce_field = []", "force_field", ["at least 1 item"]),
        ("seed = 5", 'seed = 5\ntemperature = "25 degC"', "temperature.0", ["no unit of temperature", '"298.15 K"']),
        ('to = "lhci"', 'to = "tte"', "ratios", ['"tte" is not among the runs (dlhci, lhci)']),
        ("[[ratios]]", '[[runs]]\nsystem = "lhci"\n[[ratios]]', "runs", ["the same run twice: lhci-A-r1, lhci-A-r2"]),
    ],
)
def test_a_fault_is_one_line_with_file_and_field(
    tmp_path: Path, old: str, new: str, field: str, words: list[str]
) -> None:
    assert GOOD.count(old) == 1
    file = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(SpecError) as caught:
        load_study(file)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{file}: {field}: ")
    for word in words:
        assert word in message


# Contract of every shipped study.


@pytest.mark.parametrize("name", list_studies())
def test_a_shipped_study_asks_a_question_and_each_of_its_runs_resolves(name: str) -> None:
    study, path = load_study(name)
    assert study.title
    assert study.question.endswith("?")
    for run in plan_runs(study, path):
        box = resolve(run.system, run.variant, study.atoms)
        assert box.charge == 0
        assert box.edge > 2.4  # twice the cutoff of the force field
