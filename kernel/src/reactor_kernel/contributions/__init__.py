"""What hooks yield to the kernel: frozen values that check themselves when made."""

from reactor_kernel.contributions.config import ConfigSection, Generated
from reactor_kernel.contributions.database import MigrationOutcome, MigrationStep, SchemaBranch
from reactor_kernel.contributions.events import Delivery, EventType, Subscription
from reactor_kernel.contributions.http import (
    Access,
    ClientInfo,
    Fallback,
    MethodRule,
    Middleware,
    Mount,
    OpenApiFragment,
    Phase,
    RequestContext,
)
from reactor_kernel.contributions.operations import (
    BackgroundService,
    CommandGroup,
    DeployStep,
    HealthCheck,
    JobHandler,
    MetricCollector,
    Probe,
    ProbeResult,
    Readiness,
    RetryPolicy,
    ServerEngine,
    ServeRequest,
)
from reactor_kernel.contributions.security import Allow, Deny, PermissionDoc, Vote
from reactor_kernel.contributions.services import ServiceProvider

__all__ = [
    "Access",
    "Allow",
    "BackgroundService",
    "ClientInfo",
    "CommandGroup",
    "ConfigSection",
    "Delivery",
    "Deny",
    "DeployStep",
    "EventType",
    "Fallback",
    "Generated",
    "HealthCheck",
    "JobHandler",
    "MethodRule",
    "MetricCollector",
    "Middleware",
    "MigrationOutcome",
    "MigrationStep",
    "Mount",
    "OpenApiFragment",
    "PermissionDoc",
    "Phase",
    "Probe",
    "ProbeResult",
    "Readiness",
    "RequestContext",
    "RetryPolicy",
    "SchemaBranch",
    "ServeRequest",
    "ServerEngine",
    "ServiceProvider",
    "Subscription",
    "Vote",
]
