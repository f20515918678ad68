"""``python -m mdstudy``."""

from mdstudy.cli import main

main()
