"""Bodies of curation on the wire."""

from typing import Annotated

from pydantic import Field

from shifty_pipelines.kernel.wire import RequestBody, WireModel


class LabelsBody(RequestBody):
    """The labels of one mission type; their rules are checked by the service."""

    labels: Annotated[list[str], Field(max_length=1000)]


class LabelsOut(WireModel):
    """The labels that answers of one mission type are chosen from."""

    mission_type: str
    labels: list[str]
