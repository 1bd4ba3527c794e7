"""`python -m mer_utils VERB`: the command line of the study."""

import sys

from .cli import main

sys.exit(main())
