"""The training lab of tests/flows serves here too."""

from tests.flows.training.conftest import lab, models_home, new_lab, tables, warm, workshop

__all__ = ["lab", "models_home", "new_lab", "tables", "warm", "workshop"]
