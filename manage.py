#!/usr/bin/env python
"""The command line: starts the embedded servers where a command needs them, then hands over to Django."""

import os
import sys
from pathlib import Path

from optionsv4.bootstrap import bootstrap, lay_tables, needs_database


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "optionsv4.settings")
    if needs_database(sys.argv):
        bootstrap(Path(__file__).resolve().parent)
        if sys.argv[1] != "migrate":
            lay_tables()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
