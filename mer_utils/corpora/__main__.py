"""`python -m mer_utils.corpora [NAME [PATH]]`: what is in a corpus, and what is wrong with it.

Without a name: what is in data/raw, what is recognised, what is missing and where it goes.
"""

import argparse
import sys

from ..errors import StudyError
from . import CORPORA, overview
from .apexes import POLICIES


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m mer_utils.corpora",
        description="Without NAME: what is in data/raw, what is missing and where it goes. "
        "With it: counts by class, corpus and subject; every clip left out and why; how this copy "
        "differs from the official MEGC2019 list, or from the counts of a complete copy.",
        epilog=f"corpora: {', '.join(CORPORA)}",
    )
    parser.add_argument("name", nargs="?", help="a corpus (below)")
    parser.add_argument("path", nargs="?", help="its folder; by default data/raw/NAME")
    parser.add_argument(
        "--classes", help="number of classes of one of its schemes; names with commas for own"
    )
    parser.add_argument(
        "--apex", default="sheet", help=f"where the apex comes from: {', '.join(POLICIES)}"
    )
    options = parser.parse_args(arguments)
    try:
        print(overview.report(options.name, options.path, options.classes, options.apex))
    except StudyError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `| head` closed the pipe
        sys.stderr.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
