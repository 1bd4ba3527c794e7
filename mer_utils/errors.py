"""The errors of the study: those that a user is meant to read, and one that ends a notebook."""


class StudyError(Exception):
    """Something the user can mend. Command lines print it in one line and exit with status 2."""


class DiskError(StudyError):
    """A disk is full or may not be used: of no clip in particular, so that no clip is left out."""


class EndOfNotebook(Exception):
    """A notebook ends early and in order, after its answer (`report.stop`)."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback."""
        return [f"The notebook ends here: {self}."]
