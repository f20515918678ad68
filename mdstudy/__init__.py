"""mdstudy: molecular-dynamics studies of solvation structure in electrolytes.

Importing the package imports nothing heavy: the run step
(:mod:`mdstudy.run.simulate`) needs only openmm and numpy.
"""

__version__ = "0.1.0"
