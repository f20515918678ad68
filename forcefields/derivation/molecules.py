"""What is fitted: structures with the atom names of our residues, and which parts of them are only caps.

A repeat unit is cut out of a larger molecule: its atoms carry the names of the residue, those of the caps begin with
"x" and stay out of the force field. The charges of the unit are held to its own net charge.
"""

from __future__ import annotations

from dataclasses import dataclass

from conformers import Structure, structure


@dataclass(frozen=True)
class Target:
    """One molecule to fit.

    Attributes
    ----------
    smiles : str
    heavy : str
        Names of the heavy atoms in the order of the SMILES, separated by blanks.
    trials : int
        Conformers to embed in the search.
    most : int
        Conformers to keep, from the lowest in energy.
    window : float
        kJ/mol above the lowest conformer up to which others are kept.
    """

    smiles: str
    heavy: str
    trials: int = 60
    most: int = 6
    window: float = 12.0

    @property
    def structure(self) -> Structure:
        """The molecule with its named atoms."""
        return structure(self.smiles, self.heavy.split())

    @property
    def groups(self) -> tuple[tuple[tuple[int, ...], float], ...]:
        """Atoms and what their charges sum to: the whole, and the unit where there are caps."""
        made = self.structure
        unit = tuple(i for i, name in enumerate(made.names) if not is_cap(name))
        whole = (tuple(range(len(made.names))), float(made.charge))
        return (whole,) if len(unit) == len(made.names) else (whole, (unit, 0.0))


def is_cap(name: str) -> bool:
    """Whether an atom of this name, or the carrier of this hydrogen, belongs to a cap."""
    return name.startswith(("x", "Hx"))


TARGETS = {
    "MeOH": Target("CO", "C1 O1", trials=3),
    "MEE": Target("COC", "C1 O1 C2", trials=3),
    "TTE": Target(
        "C(F)(F)C(F)(F)OCC(F)(F)C(F)F", "C1 F11 F12 C2 F21 F22 O1 C3 C4 F41 F42 C5 F51 F52", trials=90, most=16
    ),
    "FSI": Target("[N-](S(=O)(=O)F)S(=O)(=O)F", "N1 S1 O1 O2 F1 S2 O3 O4 F2", trials=10),
    "P13": Target("[N+]1(CCCC1)(C)CCC", "N1 C1 C2 C3 C4 C5 C6 C7 C8"),
    "MMA": Target("C=C(C)C(=O)OC", "CB CA CM C O1 O2 CO", trials=10),
    "MMI": Target("CC(C)C(=O)OC", "CB CA CM C O1 O2 CO", trials=10),
    # Between the quaternary carbon of the unit before and the CH2 of the unit after.
    "MMU": Target("CC(C)(C)CC(C)(C(=O)OC)CC", "x1 x2 x3 x4 CB CA CM C O1 O2 CO x5 x6", trials=16, most=3),
    "PEU": Target("CC(C)(C)CC(C)(C(=O)OCC)CC", "x1 x2 x3 x4 CB CA CM C O1 O2 CE x7 x5 x6", trials=16, most=3),
    # Half of ethylene glycol dimethacrylate; the other half is its cap.
    "PEV": Target("C=C(C)C(=O)OCCOC(=O)C(C)=C", "CB CA CM C O1 O2 CE x1 x2 x3 x4 x5 x6 x7", trials=10, most=2),
    "PEO": Target("COCCOCCOC", "x1 x2 x3 C1 O3 C2 x4 x5 x6", trials=16, most=3),
}
