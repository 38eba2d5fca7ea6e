"""Naming a dataset: curation keeps the recipe, the Arcade knows which mission types there are."""

from shifty_pipelines.contexts.arcade.domain.missions import MissionType
from shifty_pipelines.contexts.curation.domain.datasets import Recipe
from shifty_pipelines.contexts.curation.models import Dataset
from shifty_pipelines.kernel.errors import InvalidValue
from shifty_pipelines.services import Services


def add_dataset(services: Services, recipe: Recipe) -> Dataset:
    """A dataset without versions; the next materialisation gives it one.

    Raises:
        InvalidValue: there is no such mission type.
        DatasetExists: the mission type has one of that name.
    """
    if recipe.mission_type not in set(MissionType):
        raise InvalidValue("missionType", recipe.mission_type, f"one of {', '.join(MissionType)}")
    return services.curation.add_dataset(recipe)
