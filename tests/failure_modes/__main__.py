"""`python -m tests.failure_modes`: write docs/failure-modes.md; with --check only say whether it is up to date."""

import argparse
import sys

from tests.failure_modes import PAGE, ROOT, page, proofs


def main() -> int:
    """Exit code 1 when --check finds another text."""
    parser = argparse.ArgumentParser(prog="python -m tests.failure_modes", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    text = page(proofs())
    name = PAGE.relative_to(ROOT)
    if options.check:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        sys.stdout.write(f"{name} is {'up to date' if current else 'out of date'}\n")
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    sys.stdout.write(f"{name} written\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
