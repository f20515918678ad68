"""One file an observable; a file is found by its name (see :mod:`mdstudy.measure`)."""
