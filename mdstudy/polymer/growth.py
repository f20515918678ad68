"""Polymerisation in the box: chain ends add to the C=C that are nearest, until enough of them have reacted.

A step takes all ends that have a C=C within a radius, draws the pairs together in a molecular-dynamics run, bonds those
that have met, lets the box relax and looks at what came of it. Polymatic does the same (Abbott, Hart and Colina, Theor.
Chem. Acc. 132, 1334 (2013), doi 10.1007/s00214-013-1334-z), one bond at a time. A step costs what the box costs, and
adds in proportion to the ends in it, so that a bond costs the same in a box of any size. Rates, and which of two ends
adds first, mean nothing.

Each step is a function of the box before it, of what happened so far and of the seed: a polymerisation that was killed
goes on to the same network.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import openmm
from numpy.typing import NDArray

from mdstudy.base.errors import BuildError
from mdstudy.base.pace import Progress
from mdstudy.polymer.addition import CAP, END, NEW, Chemistry, add, candidates, hands
from mdstudy.polymer.assembly import Assembly, topology
from mdstudy.polymer.images import nearest
from mdstudy.polymer.ledger import Ledger, Record
from mdstudy.polymer.relaxation import CUTOFF, SWITCH, Frame, Relaxation, pull
from mdstudy.polymer.spearing import spearings
from mdstudy.run.plan import seed_for
from mdstudy.run.platforms import Choice
from mdstudy.system.forcefield import ForceField, load_force_field
from mdstudy.system.gel import Network
from mdstudy.system.parameterise import parameterise

#: Times, ps: the box settles before anything reacts; pairs come together, looked at in parts; new bonds relax; and what
#: passes before ends that have no C=C within reach look again.
SETTLE, APPROACH, LOOK, RELAX, WAIT = 10.0, 3.2, 0.2, 0.4, 4.0
#: A pair is stuck if it came no nearer than by this, nm, in so many looks.
NEARER, STUCK = 0.02, 6
#: Steps in a row that may add nothing; each of them has one time more to come together than the one before.
PATIENCE = 8
#: A pair has met when its carbons are this near, nm, and the hydrogen of the end is nearer to the C=C than its carbon.
MET = 0.42
#: Greatest length of a new bond after it has relaxed, over its length in the force field. The thermal spread is 2 %.
LONGEST = 1.15
#: The radius grows by this factor until so many of the ends have a C=C within it, or to its limit.
WIDER, MOST = 1.15, 0.75

Pairs = tuple[tuple[int, int], ...]


@dataclass
class Reaction:
    """What a polymerisation follows.

    Attributes
    ----------
    network : Network
    rules : Chemistry
    force_field : str or Path
    charge_scale : float
    choice : Choice
        Platform.
    seed : int
    """

    network: Network
    rules: Chemistry
    force_field: str | Path
    charge_scale: float
    choice: Choice
    seed: int
    _made: tuple[Assembly, openmm.System] | None = field(default=None, init=False, repr=False)

    @cached_property
    def known(self) -> ForceField:
        """The force field, read."""
        return load_force_field(self.force_field)

    def relaxation(
        self, assembly: Assembly, frame: Frame, name: str, pairs: Pairs = (), *, downhill: bool = False
    ) -> Relaxation:
        """Dynamics of a box from a frame, drawing pairs together; `name` gives it its random numbers."""
        if self._made is None or self._made[0] is not assembly:
            cutoff = min(CUTOFF, self.known.cutoff)
            made = parameterise(
                topology(assembly, frame.edges),
                self.force_field,
                charge_scale=self.charge_scale,
                cutoff=cutoff,
                switch=cutoff - (CUTOFF - SWITCH),
                lorentz_berthelot=True,
            )
            self._made = (assembly, made)
        pulls = [one for atoms in zip(*_reacting(assembly, pairs), strict=True) for one in pull(*map(int, atoms))]
        seed = seed_for(self.seed, name, "dynamics")
        system = copy.deepcopy(self._made[1])
        # The mesh of a context follows the box of its System: it must not tell when that was made.
        system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) for row in np.diag(frame.edges)))
        relaxation = Relaxation(system, self.choice, self.network.temperature, seed, pulls)
        relaxation.start(frame, downhill)
        return relaxation


def polymerise(
    assembly: Assembly, frame: Frame, reaction: Reaction, folder: Path, progress: Progress
) -> tuple[Assembly, Frame, list[Record]]:
    """Polymerise a box to the conversion of its network.

    Parameters
    ----------
    assembly : Assembly
        Before anything reacted.
    frame : Frame
        Where its atoms are.
    reaction : Reaction
    folder : Path
        Of the steps; those that it holds are not done again.
    progress : callable
        Called with the fraction of the wanted conversion and a word.

    Returns
    -------
    Assembly, Frame
        The box polymerised.
    records : list of Record
        What happened in each step, the first being the one before anything reacted.

    Raises
    ------
    BuildError
        Too few ends find a C=C; says the conversion reached and what to change.
    """
    ledger = Ledger(folder)
    records = ledger.records()
    if records:
        assembly, frame = ledger.last()
    else:
        progress(0.0, "polymerise: the box settles")
        frame = reaction.relaxation(assembly, frame, "settle", downhill=True).advance(SETTLE)
        if spearings(frame.positions, frame.edges, assembly.bonds, assembly.rings()):
            raise BuildError("a bond pierces a ring before anything was polymerised; take another seed")
        records = [Record()]
        ledger.write(0, records[0], assembly, frame)
    done = sum(len(record.added) for record in records)
    total = done + len(reaction.rules.vinyls(assembly))
    wanted = math.ceil(reaction.network.conversion * total - 1e-9)
    while done < wanted:
        progress(done / wanted, f"polymerise: {done} of {total} C=C, step {len(records)}")
        if len(records) > PATIENCE and not any(record.added for record in records[-PATIENCE:]):
            raise BuildError(_stuck(done, total, records[-PATIENCE:], reaction.network))
        assembly, frame, record = _step(assembly, frame, reaction, records, wanted - done)
        ledger.write(len(records), record, assembly, frame)
        records.append(record)
        done += len(record.added)
    return assembly, frame, records


def _step(
    assembly: Assembly, frame: Frame, reaction: Reaction, records: Sequence[Record], most: int
) -> tuple[Assembly, Frame, Record]:
    name = f"step {len(records)}"
    # What did not come together lets others have a turn.
    barred = {pair for record in records for pair in record.rejected} | set(records[-1].apart)
    radius, pairs = _look(assembly, frame, reaction, barred, most)
    if not pairs:
        return assembly, reaction.relaxation(assembly, frame, name).advance(WAIT), Record(radius)
    adds = [bool(record.added) for record in reversed(records)]
    near, met, apart = _approach(assembly, frame, reaction, pairs, name, 1 + (adds.index(True) if any(adds) else 0))
    rejected: Pairs = ()
    while met:
        bonded, placed = _bond(assembly, near, reaction, met, name)
        own = f"{name} without {len(rejected)}"
        relaxed = reaction.relaxation(bonded, placed, own, downhill=True).advance(RELAX)
        faulty = _faults(bonded, relaxed, reaction.known, met)
        if not faulty:
            return bonded, relaxed, Record(radius, met, rejected, apart)
        rejected += faulty
        met = tuple(pair for pair in met if pair not in faulty)
    return assembly, frame if rejected else near, Record(radius, (), rejected, apart)


def _look(
    assembly: Assembly, frame: Frame, reaction: Reaction, barred: set[tuple[int, int]], most: int
) -> tuple[float, Pairs]:
    """The least radius within which most of the ends have a C=C, or the greatest allowed, and its pairs."""
    network, rules = reaction.network, reaction.rules
    radius = network.capture_radius
    enough = min(most, math.ceil(MOST * len(rules.ends(assembly))))
    while True:
        pairs = candidates(assembly, rules, frame.positions, frame.edges, radius, barred)
        if len(pairs) >= enough or radius >= network.capture_limit:
            return radius, tuple(pairs[:most])
        radius = min(radius * WIDER, network.capture_limit)


def _approach(
    assembly: Assembly, frame: Frame, reaction: Reaction, pairs: Pairs, name: str, times: int
) -> tuple[Frame, Pairs, Pairs]:
    """Draw pairs together until each has met or is stuck, or the time is up: the box, those that met, those stuck.

    `times` is how many times as long as usual they have.
    """
    atoms = _reacting(assembly, pairs)
    relaxation = reaction.relaxation(assembly, frame, name, pairs)
    far, near = _distances(frame, *atoms)
    gaps = [far + near]  # falls while they come nearer and while the hydrogen turns to the C=C
    for _ in range(times * round(APPROACH / LOOK)):
        frame = relaxation.advance(LOOK)
        far, near = _distances(frame, *atoms)
        gaps.append(far + near)
        met = (far < MET) & (near < far)
        before = np.min(gaps[: max(len(gaps) - times * STUCK, 0)], axis=0, initial=np.inf)
        stuck = ~met & (np.min(gaps, axis=0) > before - NEARER)
        if (met | stuck).all():
            break
    return frame, _those(pairs, met), _those(pairs, stuck)


def _those(pairs: Pairs, chosen: NDArray[np.bool_]) -> Pairs:
    return tuple(pair for pair, is_chosen in zip(pairs, chosen, strict=True) if is_chosen)


def _reacting(assembly: Assembly, pairs: Pairs) -> tuple[NDArray[np.int64], ...]:
    """Carbon and hydrogen of each end, and the carbon that it adds to."""
    ends, vinyls = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return assembly.find(END, ends), assembly.find(CAP, ends), assembly.find(NEW, vinyls)


def _distances(
    frame: Frame, carbon: NDArray[np.int64], cap: NDArray[np.int64], new: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From the carbon and from the hydrogen of each end to the carbon that it adds to, nm."""
    xyz = frame.positions
    far, near = (np.linalg.norm(nearest(xyz[atoms] - xyz[new], frame.edges), axis=1) for atoms in (carbon, cap))
    return far, near


def _bond(assembly: Assembly, frame: Frame, reaction: Reaction, pairs: Pairs, name: str) -> tuple[Assembly, Frame]:
    """Bond pairs that have met; each new end takes the hand that makes a racemo dyad with the wanted probability."""
    random = np.random.default_rng(seed_for(reaction.seed, name, "tacticity"))
    racemo = np.where(random.random(len(pairs)) < reaction.network.racemo_fraction, -1, 1)
    before = np.sign(hands(assembly, frame.positions, frame.edges, [end for end, _ in pairs])).astype(int)
    bonded, placed = add(
        assembly,
        reaction.rules,
        reaction.known.residues,
        frame.positions,
        frame.edges,
        pairs,
        (before * racemo).tolist(),
    )
    return bonded, Frame(placed, frame.edges)


def _faults(assembly: Assembly, frame: Frame, field: ForceField, pairs: Pairs) -> Pairs:
    """Pairs whose new bond is too long or pierces a ring; all, if another bond does."""
    ends, vinyls = zip(*pairs, strict=True)
    first, second = assembly.find(END, ends), assembly.find(NEW, vinyls)
    lengths = np.linalg.norm(nearest(frame.positions[first] - frame.positions[second], frame.edges), axis=1)
    faulty = set()
    for pair, i, j, length in zip(pairs, first, second, lengths, strict=True):
        types = [field.residues[assembly.residues[assembly.residue_of[k]]].types[assembly.names[k]] for k in (i, j)]
        row = field.bond(types)
        if row is None or length > LONGEST * row[0]:
            faulty.add(pair)
    new = {
        tuple(sorted(bond)): pair
        for bond, pair in zip(zip(first.tolist(), second.tolist(), strict=True), pairs, strict=True)
    }
    for bond, _ in spearings(frame.positions, frame.edges, assembly.bonds, assembly.rings()):
        pierced = new.get(tuple(assembly.bonds[bond].tolist()))
        faulty |= set(pairs) if pierced is None else {pierced}
    return tuple(pair for pair in pairs if pair in faulty)


def _stuck(done: int, total: int, last: Sequence[Record], network: Network) -> str:
    head = f"polymerisation stopped at a conversion of {done / total:.0%} ({done} of {total} C=C)"
    aim = f"of the {network.conversion:.0%} asked for"
    if not any(record.apart or record.rejected for record in last):
        why = f"no end of a chain has a C=C within capture_limit = {network.capture_limit:g} nm; raise it"
    else:
        why = "pairs within capture_limit did not come together; raise it, so that ends have others to choose from"
    return f"{head} {aim}: {why}, ask for less conversion, or take more atoms"
