"""Which services are dispatched: whose records somebody gives a kind of matter and an agency that owes the answer."""

from gongzhi.kernel.procedure import Action
from gongzhi.kernel.service import Service, services

SAID = frozenset(("agency", "category"))


def dispatches(service: Service, action: Action) -> bool:
    """Return whether the action says which kind a record is and which agency owes it."""
    return set(service.form(action).form.writes) >= SAID


def dispatching(service: Service) -> list[Action]:
    """Return the actions of the service that dispatch."""
    return [action for action in service.procedure if dispatches(service, action)]


def dispatched() -> list[Service]:
    """Return the services whose records are dispatched, without those of care."""
    return [service for service in services().values() if not service.care and dispatching(service)]
