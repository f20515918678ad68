from __future__ import annotations

import json
from pathlib import Path

import pytest

from mdstudy.base.errors import SpecError
from mdstudy.base.units import AVOGADRO
from mdstudy.system.composition import Composition, list_systems, load_system, resolve
from mdstudy.system.species import load_species, substance_mass

#: Counts of Li, Pyr13, FSI and TTE at 5000 and 20000 atoms that were worked out apart from this package from the same
#: molar volumes (LiFSI 91, Pyr13FSI 230.3, TTE 150.7, repeat unit 84.8 cm^3/mol).
LIQUIDS = {
    ("lhci", "A"): [(37, 74, 111, 110), (148, 296, 444, 440)],
    ("dlhci", "A"): [(23, 46, 69, 170), (93, 186, 279, 688)],
    ("lhci", "B"): [(36, 86, 122, 86), (144, 344, 488, 344)],
    ("dlhci", "B"): [(21, 87, 108, 87), (86, 356, 442, 356)],
    ("lhci", "C"): [(39, 41, 80, 173), (157, 165, 322, 695)],
    ("dlhci", "C"): [(24, 25, 49, 212), (97, 102, 199, 858)],
}

#: The same with PMMA, and its repeat units last. There the repeat units are any whole number, here whole chains of ten.
GELS = {
    ("lhci-pmma", "A"): [(31, 62, 93, 92, 51), (125, 250, 375, 372, 207)],
    ("dlhci-pmma", "A"): [(19, 38, 57, 141, 53), (78, 156, 234, 577, 218)],
    ("lhci-pmma", "Ag"): [(35, 70, 105, 70, 61), (139, 278, 417, 278, 241)],
    ("dlhci-pmma", "Ag"): [(22, 44, 66, 127, 64), (87, 174, 261, 502, 251)],
    ("lhci-pmma", "B"): [(31, 74, 105, 74, 51), (122, 291, 413, 291, 200)],
    ("dlhci-pmma", "B"): [(18, 74, 92, 74, 48), (73, 302, 375, 302, 196)],
    ("lhci-pmma", "C"): [(33, 35, 68, 146, 56), (131, 138, 269, 580, 224)],
    ("dlhci-pmma", "C"): [(20, 21, 41, 177, 57), (80, 84, 164, 708, 228)],
}
SIZES = (5000, 20000)


def cases(table: dict[tuple[str, str], list[tuple[int, ...]]]) -> list[tuple[str, str, int, tuple[int, ...]]]:
    return [(*key, atoms, counts) for key, rows in table.items() for atoms, counts in zip(SIZES, rows, strict=True)]


@pytest.mark.parametrize(("system", "variant", "atoms", "counts"), cases(LIQUIDS))
def test_liquids_have_the_counts_that_were_worked_out_apart(
    system: str, variant: str, atoms: int, counts: tuple[int, ...]
) -> None:
    found = resolve(system, variant, atoms).molecules
    assert tuple(found[name] for name in ("Li", "Pyr13", "FSI", "TTE")) == counts


@pytest.mark.parametrize(("system", "variant", "atoms", "counts"), cases(GELS))
def test_gels_have_those_counts_scaled_to_whole_chains(
    system: str, variant: str, atoms: int, counts: tuple[int, ...]
) -> None:
    """A box here holds the other one's liquid times the ratio r of their repeat units.

    Each of three numbers is rounded by half a unit at most: the count here, the count n there (worth r/2 here), and the
    repeat units there (worth r n / (2 units)). FSI, the sum of two salts, is rounded twice.
    """
    found, units = resolve(system, variant, atoms).molecules, counts[-1]
    r = 10 * found["PMMA"] / units
    for name, n, salts in zip(("Li", "Pyr13", "FSI", "TTE"), counts, (1, 1, 2, 1), strict=False):
        allowed = salts * 0.5 * (1 + r) + r * n / (2 * units)
        assert abs(found[name] - r * n) <= allowed, name


def test_the_diluent_is_what_additive_volumes_leave_to_it() -> None:
    """Variant A: TTE per Li = (1000/c - V(LiFSI) - 2 V(Pyr13FSI)) / V(TTE)."""
    for system, molarity in (("lhci", 1.0), ("dlhci", 0.6)):
        ratio = resolve(system, "A").target_ratio
        expected = (1000 / molarity - 91 - 2 * 230.3) / 150.7
        assert ratio["TTE"] / ratio["LiFSI"] == pytest.approx(expected, rel=1e-12)
        assert ratio["Pyr13FSI"] / ratio["LiFSI"] == pytest.approx(2, rel=1e-12)


def test_the_salt_is_what_brings_a_fixed_solvent_to_its_molarity() -> None:
    """Variant B: n / (n V(LiFSI) + V(Pyr13FSI) + V(TTE)) = c."""
    for system, molarity in (("lhci", 1.0e-3), ("dlhci", 0.6e-3)):  # mol/cm^3
        ratio = resolve(system, "B").target_ratio
        expected = molarity * (230.3 + 150.7) / (1 - molarity * 91)
        assert ratio["LiFSI"] / ratio["Pyr13FSI"] == pytest.approx(expected, rel=1e-12)
        assert ratio["TTE"] / ratio["Pyr13FSI"] == pytest.approx(1, rel=1e-12)


def test_the_share_of_polymer_is_the_one_asked_for_by_mass_and_by_volume() -> None:
    exact = resolve("lhci-pmma", "A").target_ratio
    mass = {name: n * substance_mass(load_species(name)) for name, n in exact.items()}
    assert mass["PMMA"] / sum(mass.values()) == pytest.approx(0.10, rel=1e-12)
    exact = resolve("lhci-pmma", "Ag").target_ratio
    volume = {name: n * (load_species(name).molar_volume or 0) for name, n in exact.items()}
    assert volume["PMMA"] / sum(volume.values()) == pytest.approx(0.14689, rel=1e-12)
    assert exact["LiFSI"] / sum(volume.values()) == pytest.approx(1e-3, rel=1e-12)  # 1 mol/L of the whole gel
    assert exact["TTE"] / exact["LiFSI"] == pytest.approx(2.0, abs=1e-3)  # the 1:2:2 that it was fitted to


def test_a_box_is_described_by_the_molecules_that_it_holds() -> None:
    box = resolve("lhci", "A", 5000)
    volume = 37 * 91 + 74 * 230.3 + 110 * 150.7  # cm^3 a mol of boxes
    assert box.atoms == 37 * 1 + 74 * 27 + 111 * 9 + 110 * 18 == 5014
    assert box.charge == 0
    assert box.molarity == pytest.approx({"LiFSI": 37e3 / volume, "Pyr13FSI": 74e3 / volume}, rel=1e-12)
    assert box.molarity_target == {"LiFSI": 1.0}
    assert box.edge == pytest.approx((volume / AVOGADRO * 1e21) ** (1 / 3), rel=1e-12)
    mass = 37 * 187.0676 + 74 * 308.367 + 110 * 232.07
    assert box.density == pytest.approx(mass / volume, rel=1e-4)
    assert sum(box.mole_fractions.values()) == pytest.approx(1, rel=1e-12)
    assert sum(box.mass_fractions.values()) == pytest.approx(1, rel=1e-12)
    assert sum(box.volume_fractions.values()) == pytest.approx(1, rel=1e-12)


def test_the_rounding_error_of_the_molarity_shrinks_with_the_box() -> None:
    """Half a molecule of the one that dilutes, in n of them: an error of the order of 1/(2 n)."""
    for atoms in (1000, 5000, 20000, 100000):
        box = resolve("dlhci", "A", atoms)
        relative = abs(box.molarity["LiFSI"] / box.molarity_target["LiFSI"] - 1)
        assert relative <= 0.5 * 150.7 * box.molarity["LiFSI"] / 1e3 / box.molecules["Li"] + 1e-9


def test_a_composition_comes_back_from_json() -> None:
    box = resolve("lhci-pmma", "Ag", 5000)
    assert Composition.from_dict(json.loads(json.dumps(box.to_dict()))) == box


# What people write.

GOOD = """
title = "a test"
default_variant = "X"
[variants.X]
assumption = "none"
[variants.X.amounts]
LiFSI = "1 mol"
Pyr13FSI = "2 mol"
[variants.X.molarity]
of = "LiFSI"
value = "1 mol/L"
by_adding = "TTE"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "made.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("by_adding", "by_ading", "variants.X.molarity.by_ading", ['Did you mean "by_adding"?']),
        ('Pyr13FSI = "2 mol"', 'Pyr31FSI = "2 mol"', "variants.X.amounts.Pyr31FSI", ['Did you mean "Pyr13FSI"?']),
        ('by_adding = "TTE"', 'by_adding = "TET"', "variants.X.molarity.by_adding", ['Did you mean "TTE"?']),
        ('Pyr13FSI = "2 mol"', 'FSI = "2 mol"', "variants.X.amounts", ["not neutral", "-2 e"]),
        ('Pyr13FSI = "2 mol"', 'Pyr13FSI = "-2 mol"', "variants.X.amounts.Pyr13FSI", ["cannot be negative"]),
        ('Pyr13FSI = "2 mol"', "Pyr13FSI = 2", "variants.X.amounts.Pyr13FSI", ["needs a number and its unit", "mL"]),
        ('Pyr13FSI = "2 mol"', 'Pyr13FSI = "2"', "variants.X.amounts.Pyr13FSI", ["needs a number and its unit"]),
        ('Pyr13FSI = "2 mol"', 'Pyr13FSI = ""', "variants.X.amounts.Pyr13FSI", ["needs a number and its unit"]),
        ('Pyr13FSI = "2 mol"', 'Pyr13FSI = "2 oz"', "variants.X.amounts.Pyr13FSI", ["'2 oz'", "kg", '"1 mol"']),
        ('Pyr13FSI = "2 mol"', 'PMMA = "2 mol"', "variants.X.amounts.PMMA", ["a polymer goes into [polymer]"]),
        ('value = "1 mol/L"', "value = 1.0", "variants.X.molarity.value", ["needs its unit", '"1.0 mol/L"']),
        ('value = "1 mol/L"', 'value = "0 mol/L"', "variants.X.molarity.value", ["greater than 0"]),
        ('of = "LiFSI"', 'of = "TTE"\n', "variants.X.molarity.value", ["impossible by adding TTE", "6.64"]),
        ('of = "LiFSI"', 'of = "MMA"\n', "variants.X.molarity.of", ["MMA is not among the amounts"]),
        ('default_variant = "X"', 'default_variant = "Y"', "(whole file)", ['"Y" is not among the variants X']),
        ('assumption = "none"', 'assumption = ""', "variants.X.assumption", ["at least 1 character"]),
    ],
)
def test_a_fault_is_one_line_with_file_and_field(
    tmp_path: Path, old: str, new: str, field: str, words: list[str]
) -> None:
    assert GOOD.count(old) == 1
    text = GOOD.replace(old, new)
    if 'of = "TTE"' in new:
        text = text.replace("1 mol/L", "9 mol/L")  # denser than pure TTE, 1000/150.7 mol/L
    file = written(tmp_path, text)
    with pytest.raises(SpecError) as caught:
        load_system(file)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{file}: {field}: ")
    for word in words:
        assert word in message


def test_an_impossible_molarity_says_what_would_be_possible(tmp_path: Path) -> None:
    """1:2 LiFSI:Pyr13FSI undiluted is 1000 / (91 + 2 * 230.3) = 1.81 mol/L; a diluent cannot concentrate it."""
    with pytest.raises(SpecError, match=r"2 mol/L LiFSI is impossible by adding TTE: only between 0 and 1\.81 mol/L"):
        load_system(written(tmp_path, GOOD.replace('"1 mol/L"', '"2 mol/L"')))


def test_nothing_weighed_in_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace('"1 mol"', '"0 mol"').replace('"2 mol"', '"0 g"')
    with pytest.raises(SpecError, match=r"variants\.X\.amounts: nothing is weighed in"):
        load_system(written(tmp_path, text))


def test_mass_and_volume_weigh_in_like_moles(tmp_path: Path) -> None:
    mass = substance_mass(load_species("Pyr13FSI"))
    given = written(tmp_path, GOOD.replace('"2 mol"', f'"{2 * mass} g"').replace('"1 mol"', '"91 mL"'))
    weighed, counted = resolve(given, atoms=5000), resolve("lhci", "A", 5000)
    assert weighed.target_ratio == pytest.approx(counted.target_ratio, rel=1e-12)


def test_a_molarity_may_be_that_of_a_molecule(tmp_path: Path) -> None:
    text = GOOD.replace('of = "LiFSI"', 'of = "TTE"')
    box = resolve(written(tmp_path, text), atoms=20000)
    assert box.molarity_target == {"TTE": 1.0}
    assert box.molarity["TTE"] == pytest.approx(1.0, rel=0.01)


def test_an_unknown_variant_and_a_box_for_less_than_one_molecule_are_refused() -> None:
    with pytest.raises(SpecError, match='lhci: no variant "D"; it has A, B, C'):
        resolve("lhci", "D")
    with pytest.raises(SpecError, match=r"lhci: variants\.A: 50 atoms are too few for one LiFSI; take at least 136"):
        resolve("lhci", "A", 50)
    assert resolve("lhci", "A", 136).molecules["Li"] == 1


# Contract of every shipped system.


@pytest.mark.parametrize("name", list_systems())
def test_a_shipped_system_resolves_in_every_variant_and_states_its_assumption(name: str) -> None:
    system = load_system(name)
    for key, variant in system.variants.items():
        assert variant.assumption
        box = resolve(name, key, 5000)
        assert (box.system, box.variant, box.charge) == (name, key, 0)
        assert box.atoms == pytest.approx(5000, rel=0.1)
        assert 0.9 < box.density < 1.8
        for salt, target in box.molarity_target.items():
            assert box.molarity[salt] == pytest.approx(target, rel=0.02)


NEAT = """
title = "neat"
default_variant = "X"

[variants.X]
assumption = "none"

[variants.X.polymer]
species = "PMMA"
mass_fraction = 1.0
length = 20
"""


def test_a_neat_polymer_is_chains_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "neat.toml"
    file.write_text(NEAT, encoding="utf-8")
    box = resolve(file, atoms=5000)
    assert box.molecules == {"PMMA": 17}  # of 302 atoms
    assert box.atoms == 17 * 302
    assert box.mass_fractions == {"PMMA": 1.0}


def test_a_neat_network_is_monomer_chains_and_crosslinker_by_their_shares() -> None:
    box = resolve("pmma-network", atoms=5000)
    monomer, begun, crosslinker = (box.molecules[name] for name in ("MMA", "MIB", "PEGDMA"))
    assert set(box.molecules) == {"MMA", "MIB", "PEGDMA"}
    assert box.atoms == pytest.approx(5000, rel=0.01)
    assert crosslinker / (monomer + begun + crosslinker) == pytest.approx(0.05, abs=0.004)
    assert (monomer + begun + 2 * crosslinker) / begun == pytest.approx(25, rel=0.05)
    with pytest.raises(SpecError, match="too small for one chain and its crosslinker"):
        resolve("pmma-network", atoms=50)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("mass_fraction = 1.0", "mass_fraction = 0.9", "say what is weighed in, or polymer.mass_fraction = 1"),
        (
            "[variants.X.polymer]",
            '[variants.X.amounts]\nTTE = "1 mol"\n[variants.X.polymer]',
            "leaves no room for amounts",
        ),
    ],
)
def test_a_polymer_is_neat_or_in_something(tmp_path: Path, old: str, new: str, says: str) -> None:
    file = tmp_path / "neat.toml"
    file.write_text(NEAT.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError, match=says):
        load_system(file)
