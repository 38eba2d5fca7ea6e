"""Mail that stays in memory, for tests and simulations."""

from shifty_pipelines.contexts.tenancy.ports import Mail


class MemoryMail:
    """Keeps every message in the order it came."""

    def __init__(self) -> None:
        self.sent: list[Mail] = []

    def send(self, mail: Mail) -> None:
        """Keep the message."""
        self.sent.append(mail)
