"""What inference refuses, and why. Inputs are never repeated in a refusal."""

from shifty_pipelines.kernel.errors import ShiftyError


class InputsInvalid(ShiftyError):
    """The inputs cannot be asked of a model."""

    status = 400
    code = "inference.inputs_invalid"

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(f"inputs hold {found}; send {expected}", field="inputs")


class PredictorUnavailable(ShiftyError):
    """The process that runs models does not answer."""

    status = 503
    code = "inference.predictor_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The local predictor {reason}. Try again in a moment; if it stays so, look at its memory.")


class VersionUnservable(ShiftyError):
    """The model version cannot be loaded."""

    status = 409
    code = "inference.version_unservable"

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"This model version cannot answer: {message}", reason=code)
