"""The one error a user is meant to read: it names the file, the field and the remedy."""


class StudyError(Exception):
    """Something the user can mend. Command lines print it in one line and exit with status 2."""
