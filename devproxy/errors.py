"""What can go wrong, by whose fault it is and what to do about it.

    DevproxyError (1: our own bug, unless a class below says otherwise)
    ├── UsageError (2)            the command line makes no sense
    │   └── ConfigError (2)       the config file does; names file, line and key
    │   └── NothingRecognised (2) discovery found no service
    ├── PortHeld (3)              a port is held, and its holder may not be ended unasked
    ├── ServiceFailed (4)         a service failed or was not ready in time
    ├── NoSession (5)             the command needs a running session, and there is none
    └── MissingProgram (6)        a program that a service needs is not installed

Every error is one message for a person: what happened, to what; `hint` says what to do next.
The command line turns it into an exit code in one place (devproxy.cli.console); the codes are a
contract that scripts rely on.
"""


class DevproxyError(Exception):
    """The root: one message, a hint (what to do next, may be empty) and an exit code."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def in_words(self) -> str:
        """The message and what to do next, on one line."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(DevproxyError):
    """The command line or the project asks for something that makes no sense."""

    exit_code = 2


class ConfigError(UsageError):
    """The config file is wrong. The message names the file, the line and the key.

    Args: problems: all that was found wrong, one sentence each, "file:line: key: what was expected".
    """

    def __init__(self, problems: list[str], *, hint: str = "") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = problems


class NothingRecognised(UsageError):
    """Discovery looked and found nothing that it knows how to run."""


class PortHeld(DevproxyError):
    """A port that is needed is held by a process that we may not end unasked. port: None if it is not known."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "", port: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.port = port


class ServiceFailed(DevproxyError):
    """A service could not be started, failed, or was not ready in time."""

    exit_code = 4


class NoSession(DevproxyError):
    """The command talks to a running session, and none runs for this project."""

    exit_code = 5


class MissingProgram(DevproxyError):
    """A program that a service needs is not installed."""

    exit_code = 6
