"""Models of a tenant without a training: registered, judged, promoted and deployed straight through the services."""

import io
import uuid
from dataclasses import dataclass
from pathlib import Path

from shifty_pipelines.bootstrap import Platform
from shifty_pipelines.contexts.lifecycle.domain import AssetType, Classification, NewAsset
from shifty_pipelines.contexts.registry.domain.gate import GateReport, Opponent, Verdict
from shifty_pipelines.contexts.registry.domain.models import ModelKind, ModelSource, NewModel, NewVersion
from shifty_pipelines.kernel.tenant import TenantId, system_actor
from tests.tiny_models import Tables, packed_head, packed_nothing
from tests.trainer.conftest import LABELS, sample_rows


@dataclass
class ModelShelf:
    """One tenant's models."""

    platform: Platform
    tenant_id: TenantId

    @property
    def home(self) -> Path:
        return self.platform.runs._root.parent

    def base(self) -> str:
        with self.platform.open(system_actor(self.tenant_id)) as services:
            new = NewModel(name="tiny", source=ModelSource.CUSTOM, source_id="local:tiny")
            return str(services.registry.register(new).id)

    def dataset(self) -> str:
        assert isinstance(self.platform.datasets, Tables)
        return str(self.platform.datasets.add(self.tenant_id, sample_rows()))

    def line(self, *, mission_type: str = "classify_error") -> str:
        """A line on a base of its own."""
        base = self.base()
        with self.platform.open(system_actor(self.tenant_id)) as services:
            return str(services.registry.line(mission_type, uuid.UUID(base)).id)

    def version(self, line: str, *, favourite: str | None = None, verdict: Verdict = Verdict.PASSED) -> int:
        """A judged version; one with a favourite label answers it to everything, one without cannot be asked."""
        content = packed_nothing()
        if favourite is not None:
            scratch = self.home / "scratch"
            scratch.mkdir(exist_ok=True)
            content = packed_head(self.home / "models" / "tiny", favourite, scratch)
        dataset_id = uuid.UUID(self.dataset())
        assert isinstance(self.platform.datasets, Tables)
        with self.platform.open(system_actor(self.tenant_id)) as services:
            new_asset = NewAsset(name="head", type=AssetType.MODEL_WEIGHTS, classification=Classification.CONFIDENTIAL)
            asset = services.lifecycle.store_asset(new_asset, io.BytesIO(content))
            assert asset.key_slot is not None
            version = services.registry.add_version(
                NewVersion(
                    model_id=uuid.UUID(line),
                    kind=ModelKind.FROZEN_HEAD,
                    labels=tuple(LABELS),
                    data_asset_id=asset.id,
                    key_slot=asset.key_slot,
                    manifest_sha256="0" * 64,
                    dataset_id=dataset_id,
                    dataset_version_id=self.platform.datasets.newest[dataset_id],
                    training_job_id=uuid.uuid4(),
                    metrics={},
                )
            )
            evaluation = services.registry.start_evaluation(version.model_id, version.version)
            report = GateReport(
                verdict=verdict, against=Opponent.MAJORITY, rows=60, difference=0, low=0, high=0, recall_losses=()
            )
            serving = services.registry.serving_version(version.model_id)
            services.registry.complete_evaluation(
                evaluation.id, report, metrics={}, incumbent_version=serving.version if serving else None
            )
            return version.version

    def served(self, *, versions: int = 1, favourite: str | None = None) -> str:
        """A deployed line whose last version serves."""
        line = self.line()
        for _ in range(versions):
            number = self.version(line, favourite=favourite)
            with self.platform.open(system_actor(self.tenant_id)) as services:
                services.registry.promote(uuid.UUID(line), number)
                services.registry.deploy(uuid.UUID(line), instance_id="local")
        return line

    def job(self) -> str:
        from shifty_pipelines.flows.request_training import request_training

        dataset, base = uuid.UUID(self.dataset()), uuid.UUID(self.base())
        with self.platform.open(system_actor(self.tenant_id)) as services:
            return str(request_training(services, self.platform.datasets, dataset, base_model_id=base).id)
