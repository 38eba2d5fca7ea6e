"""Models, lines, versions and evaluations on a real database."""

import threading
import uuid

import pytest

from shifty_pipelines.contexts.registry.domain.gate import Verdict
from shifty_pipelines.contexts.registry.domain.models import EvaluationType, ModelSource, NewModel
from shifty_pipelines.contexts.registry.errors import (
    BaseModelUnknown,
    EvaluationClosed,
    NotABase,
    NotTrained,
    SourceUnsupported,
)
from shifty_pipelines.kernel.errors import NotFound
from tests.contexts.registry.conftest import Shelf, new_version, report_of


def test_the_packaged_base_is_registered_on_first_use_and_once(shelf: Shelf) -> None:
    tenant = shelf.tenant()
    found: list[uuid.UUID] = []

    def use() -> None:
        with shelf.open(tenant) as registry:
            found.append(registry.base(None).id)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    with shelf.open(tenant) as registry:
        assert registry.base_files(found[0]).path.joinpath("model.safetensors").is_file()


@pytest.mark.parametrize(
    "source_id",
    [
        "/etc",
        "local:../models/tiny",
        "local:/etc",
        "local:",
        "local:none",
        "packaged:other",
        "tiny",
        "local:tiny/..",
        "",
    ],
)
def test_a_source_id_reaches_only_what_is_a_base_model(shelf: Shelf, source_id: str) -> None:
    with pytest.raises(BaseModelUnknown, match="sourceId"), shelf.open(shelf.tenant()) as registry:
        registry.register(NewModel(name="x", source=ModelSource.CUSTOM, source_id=source_id))


@pytest.mark.parametrize("source", [ModelSource.HUGGINGFACE, ModelSource.OLLAMA, ModelSource.S3])
def test_other_sources_are_refused_by_name(shelf: Shelf, source: ModelSource) -> None:
    with pytest.raises(SourceUnsupported, match=source.value), shelf.open(shelf.tenant()) as registry:
        registry.register(NewModel(name="x", source=source, source_id="local:tiny"))


def test_versions_of_a_line_count_from_one_and_a_job_makes_one_only(shelf: Shelf) -> None:
    tenant = shelf.tenant()
    line, job = shelf.line(tenant), uuid.uuid4()
    with shelf.open(tenant) as registry:
        first = registry.add_version(new_version(line, job_id=job))
        again = registry.add_version(new_version(line, job_id=job))
        second = registry.add_version(new_version(line))
    assert (first.version, again.id, second.version) == (1, first.id, 2)


def test_a_line_is_one_per_mission_type_and_base(shelf: Shelf) -> None:
    tenant = shelf.tenant()
    base = shelf.base(tenant)
    with shelf.open(tenant) as registry:
        line = registry.line("classify_error", base)
        assert registry.line("classify_error", base).id == line.id
        assert registry.line("verify_fix", base).id != line.id
        with pytest.raises(NotABase):
            registry.base(line.id)
        with pytest.raises(NotTrained):
            registry.add_version(new_version(base))


def test_an_evaluation_keeps_claims_beside_ours_and_closes_once(shelf: Shelf) -> None:
    tenant = shelf.tenant()
    line = shelf.line(tenant)
    version = shelf.version(tenant, line, None)
    with shelf.open(tenant) as registry:
        requested = registry.request_evaluation(
            line, None, kind=EvaluationType.BENCHMARK, claimed_metrics={"accuracy": 1.0}
        )
    assert (requested.status, requested.version, requested.metrics) == ("running", version, {})
    with shelf.open(tenant) as registry:
        registry.complete_evaluation(
            requested.id, report_of(Verdict.REFUSED), metrics={"accuracy": 0.3}, incumbent_version=None
        )
    with shelf.open(tenant) as registry:
        closed = registry.evaluation(requested.id)
        assert closed.claimed_metrics == {"accuracy": 1.0}
        assert (closed.metrics, closed.verdict, closed.status) == ({"accuracy": 0.3}, "refused", "completed")
        with pytest.raises(EvaluationClosed):
            registry.fail_evaluation(requested.id, reason="too late")


def test_nothing_of_another_tenant_is_there(shelf: Shelf) -> None:
    ours, theirs = shelf.tenant(), shelf.tenant()
    line = shelf.line(theirs)
    shelf.version(theirs, line)
    with shelf.open(ours) as registry:
        for ask in (registry.model, registry.versions, registry.serving_version, registry.alias_moves):
            if ask == registry.alias_moves:
                assert ask(line) == []
                continue
            with pytest.raises(NotFound):
                ask(line)
        assert registry.models(after=None, limit=10) == []
