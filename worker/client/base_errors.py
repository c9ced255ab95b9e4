"""The base of all errors of the client, and the one for what it was given."""


class RenderwatchError(Exception):
    """Any error of this client."""


class InvalidInputError(RenderwatchError, ValueError):
    """What was given cannot be used: no project, no URL, no secret, no event. Nothing was sent."""
