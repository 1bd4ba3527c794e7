"""`python -m mer_utils VERB`: the command line of the study."""

import sys

from .errors import StudyError

try:
    from .cli import main
except StudyError as error:  # of a folder that the surroundings name
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)

sys.exit(main())
