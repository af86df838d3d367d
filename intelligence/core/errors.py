"""One family of errors: each names the culprit, the value and the next step."""


class PlatformError(Exception):
    """A refusal that a person can act on: what is wrong, with which value, and what to do next."""

    def __init__(self, culprit: str, problem: str, *, hint: str) -> None:
        super().__init__(f"{culprit}: {problem} {hint}")
        self.culprit = culprit
        self.problem = problem
        self.hint = hint


class ProductFileError(PlatformError):
    """`product.yaml` cannot be understood."""


class SourceFileError(PlatformError):
    """A delivered file cannot be read as its source declares it; nothing of it was written."""


class LakeError(PlatformError):
    """The lake cannot be opened, or a table in it does not have the shape that this version expects."""


class StoreError(PlatformError):
    """A file or database of the platform cannot be read or written; what was not finished is taken up later."""


class ModelError(PlatformError):
    """A model cannot be found, read or used on the rows at hand; nothing is scored with something else."""


class PanelError(PlatformError):
    """A panel does not have the columns, types or keys that the question asks for; nothing is trained on it."""


class StateError(PlatformError):
    """The store of operational state cannot be opened or written; nothing was changed."""


class ActionError(PlatformError):
    """An action cannot be what was asked of it: unknown, in another state, or forbidden; nothing was changed."""


class NotEnoughEvidence(PlatformError):
    """A question was asked that the data at hand cannot answer."""
