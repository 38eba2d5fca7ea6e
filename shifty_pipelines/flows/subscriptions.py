"""Who reacts to what: event type -> subscriber name -> reaction. Names are kept in the delivery log, so they stay."""

from collections.abc import Mapping
from typing import Protocol

from shifty_pipelines.contexts.curation.events import DatasetPublished, LabelRecorded
from shifty_pipelines.contexts.registry.events import EvaluationRequested
from shifty_pipelines.contexts.tenancy.events import PersonInvited
from shifty_pipelines.flows.announce_webhooks import ANNOUNCED, announce
from shifty_pipelines.flows.evaluate import evaluate_on_request
from shifty_pipelines.flows.invite import PostRoom, mail_invitation
from shifty_pipelines.flows.settle_mission import settle_on_label
from shifty_pipelines.flows.tend_curation import train_on_published
from shifty_pipelines.flows.workshop import Workshop
from shifty_pipelines.kernel.outbox import Reaction
from shifty_pipelines.services import Services

#: Reactions that need nothing but their unit of work.
SUBSCRIPTIONS: Mapping[str, Mapping[str, Reaction[Services]]] = {
    LabelRecorded.type: {"settle_mission": settle_on_label},
}


class Surroundings(Workshop, PostRoom, Protocol):
    """What all reactions together need of the platform."""


def subscriptions(around: Surroundings) -> Mapping[str, Mapping[str, Reaction[Services]]]:
    """All reactions; those that run models or send mail work in units of work of their own."""
    reactions: dict[str, Mapping[str, Reaction[Services]]] = {
        **SUBSCRIPTIONS,
        DatasetPublished.type: {
            "request_training": lambda services, event: train_on_published(services, around.datasets, event)
        },
        EvaluationRequested.type: {"evaluate": lambda _services, event: evaluate_on_request(around, event)},
        PersonInvited.type: {"mail_invitation": lambda _services, event: mail_invitation(around, event)},
    }
    # Every event of this table also goes out to whoever subscribed; see flows/announce_webhooks.py.
    return reactions | {event: {**reactions.get(event, {}), "webhooks": announce} for event in ANNOUNCED}
