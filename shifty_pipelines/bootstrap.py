"""The composition root: settings become a platform. The only place that picks adapters."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from shifty_pipelines.contexts.arcade.service import ArcadeService
from shifty_pipelines.contexts.curation.adapters.row_files import LocalRowFiles
from shifty_pipelines.contexts.curation.ports import RowFiles
from shifty_pipelines.contexts.curation.service import CurationService
from shifty_pipelines.contexts.feedback.service import FeedbackService
from shifty_pipelines.contexts.inference.adapters.local_predictor import LocalPredictor
from shifty_pipelines.contexts.inference.ports import Predictor
from shifty_pipelines.contexts.inference.service import InferenceService
from shifty_pipelines.contexts.integrations.service import IntegrationsService
from shifty_pipelines.contexts.lifecycle.service import LifecycleService
from shifty_pipelines.contexts.registry.adapters.local_base_models import LocalBaseModels
from shifty_pipelines.contexts.registry.ports import BaseModels
from shifty_pipelines.contexts.registry.service import RegistryService
from shifty_pipelines.contexts.tenancy.adapters.argon2_passwords import Argon2Passwords
from shifty_pipelines.contexts.tenancy.adapters.jwt_tokens import JwtTokens
from shifty_pipelines.contexts.tenancy.adapters.smtp_mail import SmtpMail, SmtpServer
from shifty_pipelines.contexts.tenancy.domain import SessionLifetimes
from shifty_pipelines.contexts.tenancy.ports import Mailer, PasswordHasher, Tokens
from shifty_pipelines.contexts.tenancy.repository import LoginIdentity, find_api_key, find_login, find_refresh
from shifty_pipelines.contexts.tenancy.service import TenancyService
from shifty_pipelines.contexts.training.adapters.local_trainer import LocalTrainer
from shifty_pipelines.contexts.training.ports import Trainer
from shifty_pipelines.contexts.training.service import TrainingService
from shifty_pipelines.flows.open_dataset import CuratedDatasets
from shifty_pipelines.flows.send_webhooks import WebhookSenders
from shifty_pipelines.flows.subscriptions import subscriptions
from shifty_pipelines.flows.training_data import DatasetSource
from shifty_pipelines.kernel.audit import RefusalLog
from shifty_pipelines.kernel.clock import Clock, SystemClock
from shifty_pipelines.kernel.db import Database, TenantScope
from shifty_pipelines.kernel.ids import IdSource, RandomIds
from shifty_pipelines.kernel.key_files import FileKeySlots, FileTenantKeys
from shifty_pipelines.kernel.keys import KeySlots
from shifty_pipelines.kernel.machine_slots import MachineSlots
from shifty_pipelines.kernel.outbound_addresses import AddressPolicy
from shifty_pipelines.kernel.outbound_http import OutboundHttp, OutboundPolicy
from shifty_pipelines.kernel.outbox import Dispatcher
from shifty_pipelines.kernel.provisioning import DatabaseUrls, database_urls
from shifty_pipelines.kernel.pseudonyms import TenantHmac
from shifty_pipelines.kernel.run_directories import RunDirectories
from shifty_pipelines.kernel.secret_files import installation_id, secret_file
from shifty_pipelines.kernel.store import AssetStore
from shifty_pipelines.kernel.tenant import Actor, TenantId, system_actor
from shifty_pipelines.kernel.work import begin_work
from shifty_pipelines.kernel.work_queue import WebhookQueue, WorkQueue
from shifty_pipelines.services import Services
from shifty_pipelines.settings import IpNetwork, Settings, model_process_environment


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The whole system, assembled: what both shells are given."""

    app: Database
    worker: Database
    keys: KeySlots
    pseudonyms: TenantHmac
    store: AssetStore
    base_models: BaseModels
    datasets: DatasetSource
    runs: RunDirectories
    slots: MachineSlots
    predictor: Predictor
    trainer: Trainer
    model_environment: Mapping[str, str] = field(repr=False)
    dbt_url: str = field(repr=False)
    clock: Clock
    ids: IdSource
    passwords: PasswordHasher
    tokens: Tokens
    lifetimes: SessionLifetimes
    is_registration_open: bool
    refusals: RefusalLog
    mailer: Mailer | None
    outbound: OutboundHttp
    public_url: str
    trusted_proxies: Sequence[IpNetwork]
    metrics_token: str | None = field(default=None, repr=False)

    @contextmanager
    def open(self, actor: Actor) -> Iterator[Services]:
        """One unit of work of `actor`: commits at the end of the block, rolls back on any exception."""
        with self.app.tenant_transaction(actor.tenant_id) as scope:
            yield self.services(scope, actor)

    def services(self, scope: TenantScope, actor: Actor) -> Services:
        """Every context's use cases on an open tenant transaction."""
        work = begin_work(scope, actor, self.clock, self.ids)
        return Services(
            work=work,
            tenancy=TenancyService(work, self.passwords),
            arcade=ArcadeService(work, self.keys),
            curation=CurationService(work, self.keys, self.pseudonyms),
            feedback=FeedbackService(work, self.keys, self.pseudonyms),
            lifecycle=LifecycleService(work, self.store),
            training=TrainingService(work),
            registry=RegistryService(work, self.base_models),
            integrations=IntegrationsService(work, self.keys, self.outbound.policy),
        )

    @property
    def inference(self) -> InferenceService:
        """Asks model versions; needs no transaction."""
        return InferenceService(self.predictor)

    @property
    def row_files(self) -> RowFiles:
        """Opens files of items and labels to be imported."""
        return local_row_files()

    @property
    def training_queue(self) -> WorkQueue:
        """Ids of training jobs that wait for a run."""
        return WorkQueue(self.worker, "training")

    def find_login(self, email: str) -> LoginIdentity | None:
        """Who signs in with this address, in an active tenant."""
        with self.app.platform_transaction() as session:
            return find_login(session, email)

    def find_refresh(self, token_hash: bytes) -> TenantId | None:
        """Whose refresh token this is, used or not."""
        with self.app.platform_transaction() as session:
            return find_refresh(session, token_hash)

    def find_api_key(self, key_hash: bytes) -> TenantId | None:
        """Whose API key this is."""
        with self.app.platform_transaction() as session:
            return find_api_key(session, key_hash)

    def new_tenant_id(self) -> TenantId:
        """An id for a tenant to come."""
        return TenantId(self.ids.new())

    def dispatcher(self) -> Dispatcher[Services]:
        """A deliverer of the outbox; any number may run at once."""
        return Dispatcher(
            worker=self.worker,
            app=self.app,
            open_work=lambda scope: self.services(scope, system_actor(scope.tenant_id)),
            subscriptions=subscriptions(self),
            clock=self.clock,
        )

    def webhook_senders(self) -> WebhookSenders:
        """Senders of webhooks; any number may work at once."""
        return WebhookSenders(self)

    @property
    def webhook_queue(self) -> WebhookQueue:
        """Ids of webhook deliveries that are to be sent."""
        return WebhookQueue(self.worker)

    def dispose(self) -> None:
        """Close the database connections and end the predictor."""
        self.outbound.close()
        self.predictor.close()
        self.app.dispose()
        self.worker.dispose()


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """What tests and simulations choose themselves; the defaults are production's."""

    clock: Clock
    ids: IdSource
    passwords: PasswordHasher
    datasets: DatasetSource = field(default_factory=CuratedDatasets)
    mailer: Mailer | None = None
    outbound: OutboundHttp | None = None


def local_row_files() -> RowFiles:
    """Opens files of rows on this machine; needs no platform."""
    return LocalRowFiles()


def build_platform(
    settings: Settings, *, urls: DatabaseUrls | None = None, assembly: Assembly | None = None
) -> Platform:
    """Assemble the platform on a prepared database; starts nothing and checks nothing."""
    parts = assembly or Assembly(clock=SystemClock(), ids=RandomIds(), passwords=Argon2Passwords())
    urls = urls or platform_urls(settings)
    secrets_directory = settings.home / "secrets"
    app = Database(urls.app, application_name="shifty")
    keys = file_keys(settings.home)
    runs = RunDirectories(settings.home / "runs")
    model_environment = model_process_environment()
    return Platform(
        app=app,
        worker=Database(urls.worker, application_name="shifty-worker", pool_size=2),
        keys=keys,
        pseudonyms=TenantHmac(FileTenantKeys(secrets_directory)),
        store=AssetStore(settings.store_url or str(settings.home / "assets"), keys),
        base_models=LocalBaseModels(settings.home / "models"),
        datasets=parts.datasets,
        runs=runs,
        slots=MachineSlots(settings.home / "slots"),
        predictor=LocalPredictor(runs, model_environment),
        trainer=LocalTrainer(model_environment),
        model_environment=model_environment,
        dbt_url=urls.dbt,
        clock=parts.clock,
        ids=parts.ids,
        passwords=parts.passwords,
        tokens=JwtTokens(_jwt_secret(settings), parts.clock),
        lifetimes=SessionLifetimes(
            token=timedelta(seconds=settings.token_ttl_s), session=timedelta(seconds=settings.session_ttl_s)
        ),
        is_registration_open=settings.open_registration,
        refusals=RefusalLog(app, parts.clock, parts.ids),
        mailer=parts.mailer or _smtp(settings),
        outbound=parts.outbound or _outbound(settings),
        public_url=(settings.public_url or f"http://localhost:{settings.base_port}").rstrip("/"),
        trusted_proxies=settings.trusted_proxies,
        metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else None,
    )


def file_keys(home: Path) -> FileKeySlots:
    """The key slots of the installation whose home this is."""
    identity: uuid.UUID = installation_id(home / "secrets")
    return FileKeySlots(home / "keys", home / "secrets", identity)


def _smtp(settings: Settings) -> Mailer | None:
    """The mail server, if one is set."""
    if settings.smtp_url is None or settings.mail_from is None:
        return None
    server = SmtpServer.of(settings.smtp_url.get_secret_value())
    return SmtpMail(server, sender=settings.mail_from, ca_file=settings.smtp_ca_file)


def _outbound(settings: Settings) -> OutboundHttp:
    policy = OutboundPolicy(AddressPolicy(settings.outbound_allowed_networks), allow_http=settings.outbound_allow_http)
    return OutboundHttp(policy, ca_file=settings.outbound_ca_file)


def _jwt_secret(settings: Settings) -> str:
    if settings.jwt_secret is not None:
        return settings.jwt_secret.get_secret_value()
    return secret_file(settings.home / "secrets", "jwt-secret")


def platform_urls(settings: Settings) -> DatabaseUrls:
    """How each role reaches the database; starts and changes nothing."""
    return database_urls(settings.home, external_url(settings), postgres_major=settings.embedded_major)


def external_url(settings: Settings) -> str | None:
    """DATABASE_URL, if one is set."""
    return settings.database_url.get_secret_value() if settings.database_url else None
