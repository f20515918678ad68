from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from mdstudy.analysis.thermodynamics import QUANTITIES as LOGGED
from mdstudy.base.errors import SpecError
from mdstudy.base.library import data_dir
from mdstudy.base.results import Quantity
from mdstudy.observables import vocabulary
from mdstudy.study.measured import FOLDER, MeasuredValue, load_measured, read_measured
from mdstudy.system.composition import list_systems, load_system
from mdstudy.system.species import Salt, all_species

COMPUTED = (*vocabulary().values(), *LOGGED)
DENSITY = Quantity("density", "g/cm^3", "Mass density.")
SHIPPED = sorted(data_dir(FOLDER).glob("*.toml"))

GOOD = """
[[quantity]]
name = "boiling_temperature"
unit = "K"
text = "Boiling temperature at ambient pressure."

[[value]]
system = "tte"
quantity = "boiling_temperature"
of = "box"
value = 366
unit = "K"
method = "ebulliometry"
source = "nobody, nowhere (1900)"
confidence = "low"
read_at_source = false

[[value]]
system = "tte"
variant = "pure"
quantity = "density"
of = "box"
value = 1540.0
unit = "kg/m^3"
uncertainty = 10.0
temperature = "298.15 K"
method = "pycnometer"
source = "nobody, nowhere (1900), Table 2"
doi = "10.1000/182"
confidence = "medium"
read_at_source = true
note = "made up"
"""


def written(folder: Path, text: str, name: str = "topic.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def fault(folder: Path, text: str) -> str:
    """The one line that a faulty file gives."""
    with pytest.raises(SpecError) as caught:
        read_measured([written(folder, text)], [DENSITY])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_value_is_read_whole_and_converted_to_the_unit_of_its_quantity(tmp_path: Path) -> None:
    boiling, density = read_measured([written(tmp_path, GOOD)], [DENSITY])
    assert (boiling.value, boiling.unit, boiling.uncertainty, boiling.temperature) == (366.0, "K", None, None)
    assert (density.system, density.variant, density.quantity, density.of) == ("tte", "pure", "density", "box")
    assert density.value == pytest.approx(1.54, rel=1e-12)
    assert density.uncertainty == pytest.approx(0.01, rel=1e-12)
    assert (density.unit, density.temperature, density.method) == ("g/cm^3", 298.15, "pycnometer")
    assert (density.source, density.doi) == ("nobody, nowhere (1900), Table 2", "10.1000/182")
    assert (density.confidence, density.read_at_source, density.note) == ("medium", True, "made up")


@pytest.mark.parametrize(
    ("old", "new", "entry", "words"),
    [
        ('quantity = "density"', 'quantity = "densty"', "value 2: quantity", ["densty", 'Did you mean "density"?']),
        ('unit = "kg/m^3"', 'unit = "mPa s"', "value 2: unit", ["'mPa s'", "viscosity", "density", "g/cm^3"]),
        ('unit = "kg/m^3"', 'unit = "kg/l"', "value 2: unit", ["'kg/l'", "no unit of a result", "g/cm^3"]),
        ('source = "nobody, nowhere (1900)"\n', "", "value 1: source", ["is missing"]),
        ('source = "nobody, nowhere (1900)"\n', 'source = "  "\n', "value 1: source", ["at least 1 character"]),
        ("uncertainty = 10.0", "uncertainty = -10.0", "value 2: uncertainty", ["greater than 0", "-10.0"]),
        ("uncertainty = 10.0", "uncertainty = 0.0", "value 2: uncertainty", ["greater than 0"]),
        ("value = 1540.0", "value = nan", "value 2: value", ["finite"]),
        ("value = 1540.0", 'value = "1540"', "value 2: value", ["number"]),
        ("value = 1540.0\n", "", "value 2: value", ["is missing"]),
        ('temperature = "298.15 K"', "temperature = 298.15", "value 2: temperature", ["needs its unit", '"298.15 K"']),
        ('temperature = "298.15 K"', 'temprature = "298.15 K"', "value 2: temprature", ['Did you mean "temperature"?']),
        ('doi = "10.1000/182"', 'doi = "doi.org/10.1000/182"', "value 2: doi", ["doi.org/10.1000/182"]),
        ('confidence = "medium"', 'confidence = "sure"', "value 2: confidence", ["'high', 'medium' or 'low'"]),
        ("read_at_source = true", 'read_at_source = "yes"', "value 2: read_at_source", ["boolean"]),
        ('unit = "K"\ntext', 'unit = "degC"\ntext', "quantity 1: unit", ["'degC'", "no unit of a result"]),
        ("[[quantity]]", "[[quantities]]", "quantities", ["no such table", 'Did you mean "quantity"?']),
    ],
)
def test_a_fault_is_one_line_with_file_entry_and_field(
    tmp_path: Path, old: str, new: str, entry: str, words: list[str]
) -> None:
    assert GOOD.count(old) == 1
    message = fault(tmp_path, GOOD.replace(old, new))
    assert message.startswith(f"{tmp_path / 'topic.toml'}: {entry}: ")
    for word in words:
        assert word in message


def test_a_quantity_at_odds_with_an_observable_or_declared_twice_is_refused(tmp_path: Path) -> None:
    declared = '[[quantity]]\nname = "density"\nunit = "kg/m^3"\ntext = "Mass density."\n'
    message = fault(tmp_path, declared)
    assert "quantity 1: unit: density is computed in 'g/cm^3', not in 'kg/m^3'" in message
    same = declared.replace("kg/m^3", "g/cm^3")
    assert read_measured([written(tmp_path, same)], [DENSITY]) == []
    assert f"declared already in {tmp_path / 'topic.toml'}: quantity 1" in fault(tmp_path, same + same)


def test_files_share_the_quantities_that_one_of_them_declares(tmp_path: Path) -> None:
    declaration, _, values = GOOD.partition("[[value]]")
    files = [written(tmp_path, "[[value]]" + values, "a.toml"), written(tmp_path, declaration, "b.toml")]
    assert [v.quantity for v in read_measured(files, [DENSITY])] == ["boiling_temperature", "density"]


# Contract of every shipped file.


def test_shipped_values_are_read_under_the_vocabulary_of_the_observables_and_alone() -> None:
    assert load_measured(COMPUTED) == load_measured()
    assert len(load_measured()) >= 80


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_file_stands_in_the_words_of_systems_and_sites(path: Path) -> None:
    """A value of a system that is shipped names a variant and a site of it, so that a typo cannot hide the value."""
    values = read_measured([path, data_dir(FOLDER) / "quantities.toml"] if path.stem != "quantities" else [path])
    species = all_species()
    words = {"box"} | set(species)
    words |= {f"{name}.{site}" for name, s in species.items() if not isinstance(s, Salt) for site in s.sites}
    for value in values:
        if value.system in list_systems():
            assert value.variant is None or value.variant in load_system(value.system).variants, value
            assert set(value.of.split("-")) <= words, value


def test_no_value_stands_twice() -> None:
    def key(v: MeasuredValue) -> tuple[object, ...]:
        return v.system, v.variant or "", v.quantity, v.of, v.temperature or 0.0, v.source, v.method

    keys = sorted(key(v) for v in load_measured())
    assert [a for a, b in itertools.pairwise(keys) if a == b] == []


def test_what_nobody_published_is_never_more_than_low_confidence() -> None:
    for value in load_measured():
        if re.search("general knowledge|from memory", value.source + value.note):
            assert value.confidence == "low", value
            assert not value.read_at_source, value


def test_the_paper_says_what_its_text_says() -> None:
    """Song et al. (2024), doi 10.1063/5.0221854: 2.25e-3 and 3.93e-3 S/cm at 25 °C, Li transference 0.24 and 0.29."""
    paper = {(v.system, v.quantity): v for v in load_measured() if v.doi == "10.1063/5.0221854"}
    assert len(paper) == 4
    for system, conductivity, transference in (("lhci", 2.25, 0.24), ("dlhci", 3.93, 0.29)):
        assert paper[system, "ionic_conductivity"].value == pytest.approx(conductivity, rel=1e-12)
        assert paper[system, "ionic_conductivity"].unit == "mS/cm"
        assert paper[system, "ionic_conductivity"].temperature == 298.15
        assert paper[system, "transference_number_blocked"].value == transference
        assert paper[system, "transference_number_blocked"].temperature is None
    for value in paper.values():
        assert value.uncertainty is None
        assert "crosslinked" in value.note
        assert value.read_at_source
