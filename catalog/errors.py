"""The root of errors that a user can mend."""


class UserError(Exception):
    """Its message names what is wrong and what would be right; shown without a traceback."""
