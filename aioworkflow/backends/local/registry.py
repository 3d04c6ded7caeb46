"""The registered types, as the rules see them, and kept in step with the database."""

from __future__ import annotations

from collections.abc import Sequence

from ...checks import DESCRIPTION_LIMIT, check_setting, check_text, show
from ...decision import ContinueAsNewDecision, Decision, ScheduleActivityDecision, StartChildProcessDecision
from ...errors import InvalidRequestError
from ...machine.handle import Environment
from ...machine.limits import Limits
from ...stores.base import Store
from ...types import ActivityType, TypeRef, WorkflowType
from .arguments import check_type_ref

__all__ = ["Registry"]


class Registry:
    """Workflows and activities by name and version.

    Attributes:
        environment: What the rules are given; it sees every change of this registry.
    """

    def __init__(self, store: Store, limits: Limits) -> None:
        self._store = store
        self._registrations = 0
        self._workflows: dict[TypeRef, WorkflowType] = {}
        self._activities: dict[TypeRef, ActivityType] = {}
        self.environment = Environment(limits=limits, workflows=self._workflows, activities=self._activities)

    async def refresh(self) -> None:
        """Read what other OS processes have registered."""
        while True:
            before = self._registrations
            found = await self._store.types()
            if self._registrations == before:  # else it may be out of date
                break
        for registered in found:
            self._add(registered)

    async def register(self, registered: WorkflowType | ActivityType) -> None:
        """Make a type known, or give it other defaults.

        Raises:
            InvalidRequestError: The type breaks a rule.
        """
        _check(registered)
        if self._known(registered) != registered:
            await self._store.save_type(registered)
            self._registrations += 1
            self._add(registered)

    def lacks_types(self, decisions: Sequence[Decision], workflow: TypeRef | None = None) -> bool:
        """Tell whether a decision names a type that is not known here (another OS process may have registered it).

        Args:
            decisions: Of one answer.
            workflow: That of the run, for which it continues as new.
        """
        try:
            for decision in decisions:
                if type(decision) is ScheduleActivityDecision:
                    if decision.activity not in self._activities:
                        return True
                elif type(decision) is StartChildProcessDecision:
                    if decision.workflow not in self._workflows:
                        return True
                elif type(decision) is ContinueAsNewDecision and workflow is not None:
                    version = decision.workflow_version or workflow.version
                    if TypeRef(workflow.name, version) not in self._workflows:
                        return True
        except TypeError:
            pass  # what cannot be hashed names nothing; the rules will refuse it
        return False

    def _known(self, registered: WorkflowType | ActivityType) -> WorkflowType | ActivityType | None:
        if isinstance(registered, WorkflowType):
            return self._workflows.get(registered.ref)
        return self._activities.get(registered.ref)

    def _add(self, registered: WorkflowType | ActivityType) -> None:
        if isinstance(registered, WorkflowType):
            self._workflows[registered.ref] = registered
        else:
            self._activities[registered.ref] = registered


def _check(registered: WorkflowType | ActivityType) -> None:
    if not isinstance(registered, WorkflowType | ActivityType):
        raise InvalidRequestError(
            f"a registered type must be a WorkflowType or an ActivityType, not {show(registered)}"
        )
    check_type_ref(registered.ref)
    if not isinstance(registered.deprecated, bool):
        raise InvalidRequestError(f"deprecated must be a bool, not {show(registered.deprecated)}")
    if registered.description is not None:
        check_text(registered.description, "description", DESCRIPTION_LIMIT)
    for field in registered.__struct_fields__:
        if field not in ("ref", "description", "deprecated"):
            check_setting(getattr(registered, field), field)
