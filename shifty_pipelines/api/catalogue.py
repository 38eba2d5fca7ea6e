"""The thirteen services of the specification: one process, one socket each, in the order of their ports."""

from collections.abc import Sequence
from dataclasses import dataclass

#: A request body may be this large unless its service says otherwise.
DEFAULT_BODY_BYTES = 1024 * 1024
LARGE_BODY_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Service:
    """One service of the specification; `port_offset` counts from the gateway's port (3000 by default)."""

    name: str
    port_offset: int
    is_built: bool = True
    max_body_bytes: int = DEFAULT_BODY_BYTES


GATEWAY = Service("api-gateway", 0, max_body_bytes=LARGE_BODY_BYTES)
TENANT_MANAGER = Service("tenant-manager", 1)
AUTH = Service("auth-service", 2)
AI_ORCHESTRATOR = Service("ai-orchestrator", 3)
TEST_GENERATOR = Service("test-generator", 4, is_built=False)
HEALING_ENGINE = Service("healing-engine", 5, is_built=False)
GPU_PROVISIONER = Service("gpu-provisioner", 6, is_built=False, max_body_bytes=LARGE_BODY_BYTES)
MODEL_REGISTRY = Service("model-registry", 7)
DATA_LIFECYCLE = Service("data-lifecycle", 8, is_built=False, max_body_bytes=LARGE_BODY_BYTES)
HITL_ARCADE = Service("hitl-arcade", 9)
CICD_GOVERNOR = Service("cicd-governor", 10, is_built=False)
PRODUCTION_FEEDBACK = Service("production-feedback", 11)
INTEGRATIONS = Service("integrations", 12, is_built=False)

SERVICES: Sequence[Service] = (
    GATEWAY,
    TENANT_MANAGER,
    AUTH,
    AI_ORCHESTRATOR,
    TEST_GENERATOR,
    HEALING_ENGINE,
    GPU_PROVISIONER,
    MODEL_REGISTRY,
    DATA_LIFECYCLE,
    HITL_ARCADE,
    CICD_GOVERNOR,
    PRODUCTION_FEEDBACK,
    INTEGRATIONS,
)
