"""Who reacts to what: event type -> subscriber name -> reaction. Names are kept in the delivery log, so they stay."""

from collections.abc import Mapping

from shifty_pipelines.contexts.curation.events import LabelRecorded
from shifty_pipelines.flows.settle_mission import settle_on_label
from shifty_pipelines.kernel.outbox import Reaction
from shifty_pipelines.services import Services

SUBSCRIPTIONS: Mapping[str, Mapping[str, Reaction[Services]]] = {
    LabelRecorded.type: {"settle_mission": settle_on_label},
}
