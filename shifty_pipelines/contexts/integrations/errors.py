"""What integrations refuses, and why."""

import uuid

from shifty_pipelines.kernel.errors import Conflict


class TooManyEndpoints(Conflict):
    """The tenant has as many webhook endpoints as any may."""

    code = "integrations.too_many_endpoints"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A tenant has at most {limit} webhook endpoints; delete one first.", limit=limit)


class EndpointDisabled(Conflict):
    """Nothing is sent to a disabled endpoint."""

    code = "integrations.endpoint_disabled"

    def __init__(self, endpoint_id: uuid.UUID, reason: str | None) -> None:
        super().__init__(
            f"Webhook endpoint {endpoint_id} is disabled ({reason}); enable it first: PATCH it with "
            '{"enabled": true}.',
            reason=reason,
        )


class BeingSent(Conflict):
    """An attempt of this delivery is under way."""

    code = "integrations.being_sent"

    def __init__(self, delivery_id: uuid.UUID) -> None:
        super().__init__(f"Delivery {delivery_id} is being sent just now; look at the log in a moment, then replay it.")
