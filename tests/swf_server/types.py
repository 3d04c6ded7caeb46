"""Registered types of one domain: never changed, deprecated, taken back, deleted (swf-reference 1.6, 1.7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aioworkflow.types import UNSET, ActivityType, ChildPolicy, TypeRef, WorkflowType

from .decisions import seconds
from .events import type_ref
from .faults import fault, unknown_resource
from .requests import ListTypes, RegisterActivityType, RegisterWorkflowType

__all__ = ["Registered", "TypeBook", "activity_of", "configuration", "workflow_of"]


@dataclass
class Registered:
    """One type; ``value`` is what the machine behind knows of it."""

    value: WorkflowType | ActivityType
    configuration: dict[str, Any]
    created_at: float
    deprecated_at: float | None = None

    @property
    def status(self) -> str:
        return "REGISTERED" if self.deprecated_at is None else "DEPRECATED"


@dataclass
class TypeBook:
    """The types of one kind; ``word`` is "WorkflowType" or "ActivityType"."""

    word: str
    known: dict[TypeRef, Registered] = field(default_factory=dict)

    def _name(self, ref: TypeRef) -> str:
        return f"{self.word}=[name={ref.name}, version={ref.version}]"

    def add(self, registered: Registered) -> None:
        ref = registered.value.ref
        if ref in self.known:
            raise fault("TypeAlreadyExistsFault", self._name(ref))
        self.known[ref] = registered

    def find(self, ref: TypeRef) -> Registered:
        if ref not in self.known:
            raise unknown_resource(f"Unknown type: {self._name(ref)}")
        return self.known[ref]

    def deprecate(self, ref: TypeRef, now: float) -> Registered:
        found = self.find(ref)
        if found.deprecated_at is not None:
            raise fault("TypeDeprecatedFault", self._name(ref))
        found.deprecated_at = now
        return found

    def undeprecate(self, ref: TypeRef) -> Registered:
        found = self.find(ref)
        if found.deprecated_at is None:
            raise fault("TypeAlreadyExistsFault", self._name(ref))
        found.deprecated_at = None
        return found

    def delete(self, ref: TypeRef) -> None:
        if self.find(ref).deprecated_at is None:
            raise fault(
                "TypeNotDeprecatedFault",
                "The type is currently registered and cannot be deleted in its current state",
            )
        del self.known[ref]

    def info(self, found: Registered) -> dict[str, object]:
        return {
            self.word[0].lower() + self.word[1:]: type_ref(found.value.ref),
            "status": found.status,
            "creationDate": found.created_at,
            "description": found.value.description,
            "deprecationDate": found.deprecated_at,
        }

    def infos(self, request: ListTypes) -> list[dict[str, object]]:
        """Return those that a listing asks for, by name."""
        found = [
            registered
            for _, registered in sorted(self.known.items(), reverse=bool(request.reverse_order))
            if registered.status == request.registration_status
        ]
        return [self.info(one) for one in found if request.name in (None, one.value.ref.name)]


def _task_list(request: RegisterWorkflowType | RegisterActivityType) -> Any:
    return UNSET if request.default_task_list is None else request.default_task_list.name


def _priority(request: RegisterWorkflowType | RegisterActivityType) -> Any:
    return UNSET if request.default_task_priority is None else int(request.default_task_priority)


def workflow_of(request: RegisterWorkflowType) -> WorkflowType:
    policy = request.default_child_policy
    return WorkflowType(
        ref=TypeRef(request.name, request.version),
        execution_timeout=seconds(request.default_execution_start_to_close_timeout),
        decision_timeout=seconds(request.default_task_start_to_close_timeout),
        task_list=_task_list(request),
        task_priority=_priority(request),
        child_policy=UNSET if policy is None else ChildPolicy(policy),
        description=request.description,
    )


def activity_of(request: RegisterActivityType) -> ActivityType:
    return ActivityType(
        ref=TypeRef(request.name, request.version),
        schedule_to_start_timeout=seconds(request.default_task_schedule_to_start_timeout),
        start_to_close_timeout=seconds(request.default_task_start_to_close_timeout),
        schedule_to_close_timeout=seconds(request.default_task_schedule_to_close_timeout),
        heartbeat_timeout=seconds(request.default_task_heartbeat_timeout),
        task_list=_task_list(request),
        task_priority=_priority(request),
        description=request.description,
    )


def configuration(request: RegisterWorkflowType | RegisterActivityType) -> dict[str, Any]:
    """Return the defaults as they were given, by their names on the wire."""
    words = {
        name: wire
        for name, wire in zip(request.__struct_fields__, request.__struct_encode_fields__, strict=True)
        if name.startswith("default_")
    }
    given = {wire: getattr(request, name) for name, wire in words.items()}
    return {
        wire: {"name": value.name} if wire == "defaultTaskList" and value else value for wire, value in given.items()
    }
