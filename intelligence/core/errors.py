"""The family of errors that a person can act on: each names the culprit, the value and the next step."""


class PlatformError(Exception):
    """An error that a person can act on: what is wrong, with which value, and what to do next.

    Attributes:
        culprit: The file, setting, table or action that is wrong.
        problem: A sentence that says what is wrong, with the value.
        hint: A sentence that says what to do next.
    """

    def __init__(self, culprit: str, problem: str, *, hint: str) -> None:
        super().__init__(f"{culprit}: {problem} {hint}")
        self.culprit = culprit
        self.problem = problem
        self.hint = hint


class ProductFileError(PlatformError):
    """`product.yaml` cannot be understood."""


class SourceFileError(PlatformError):
    """A delivered file cannot be read in the way its source declares; none of its rows was written."""


class LakeError(PlatformError):
    """The lake cannot be opened, or a table in it does not have the shape that this version expects."""


class StoreError(PlatformError):
    """A file or database of the platform cannot be read or written; unfinished work is continued later."""


class ModelError(PlatformError):
    """A model cannot be found, loaded or applied to the given rows; no other model is used instead."""


class PanelError(PlatformError):
    """A panel does not have the columns, types or keys that the task requires; no model is trained on it."""


class SignalError(PlatformError):
    """Signals were asked for something that they cannot give."""


class CausalityError(PlatformError):
    """A frame, graph or question does not allow the asked effect or decomposition; none is computed from it."""


class StateError(PlatformError):
    """The store of operational state cannot be opened or written; nothing was changed."""


class ActionError(PlatformError):
    """An action is unknown, forbidden, or in a state that does not allow the request; nothing was changed."""


class ExperimentError(PlatformError):
    """An experiment cannot be analysed as asked: its frame, its variants or its metrics are not what they must be."""


class ForecastError(PlatformError):
    """A forecast cannot be shown or changed as asked: there is no such series, or nothing links it to the change."""


class UsageError(PlatformError):
    """Retention or funnels are asked for a part of the product that there is not."""


class BriefError(PlatformError):
    """There is no brief of what is asked for."""


class OnlineError(PlatformError):
    """The stream cannot be read as asked, or has no answer to what it is asked."""


class NotEnoughEvidence(PlatformError):
    """The available data is too small or too incomplete to give an answer."""
