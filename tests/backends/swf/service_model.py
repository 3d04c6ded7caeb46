"""Amazon SWF's own word on what it takes: botocore's service model, read more strictly than botocore does.

botocore checks types, required members and minimum lengths. Here maximum lengths, enumerations and the forms that the
model only describes in prose count too (swf-reference 1.2, 1.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator

__all__ = ["MODEL", "accepts", "flaws"]

MODEL = ServiceModel(Loader().load_service_model("swf", "service-2"))

_FORMS: Mapping[str, str] = {
    "DurationInSeconds": r"\d+",
    "DurationInSecondsOptional": r"\d+|NONE",
    "DurationInDays": r"\d|[1-8]\d|90|NONE",
    "TaskPriority": r"-?\d{1,10}",
    **dict.fromkeys(
        ("ActivityId", "DomainName", "Name", "TimerId", "Version", "WorkflowId"),
        r"(?!arn\Z)[^:/|\x00-\x1f\x7f-\x9f]+",
    ),
}


def accepts(operation: str, parameters: Mapping[str, Any]) -> bool:
    """Tell whether the service takes the request; an assertion that fails shows why not."""
    found = flaws(operation, parameters)
    assert found == []
    return True


def flaws(operation: str, parameters: Mapping[str, Any]) -> list[str]:
    """Return all that is wrong with a request."""
    shape = MODEL.operation_model(operation).input_shape
    report = ParamValidator().validate(parameters, shape)
    found = [report.generate_report()] if report.has_errors() else []
    return found + list(_flaws(shape, parameters, operation))


def _flaws(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure":
        for name, item in value.items():
            yield from _flaws(shape.members[name], item, f"{path}.{name}")
    elif shape.type_name == "list":
        yield from _too_much(shape, len(value), path)
        for index, item in enumerate(value):
            yield from _flaws(shape.member, item, f"{path}[{index}]")
    elif shape.type_name == "string":
        yield from _too_much(shape, len(value.encode("utf-16-le")) // 2, path)
        if shape.enum and value not in shape.enum:
            yield f"{path} is {value!r}, none of {shape.enum}"
        form = _FORMS.get(shape.name)
        if form is not None and not re.fullmatch(form, value):
            yield f"{path} is {value!r}, which has not the form {form}"
    elif shape.type_name == "integer":
        yield from _too_much(shape, value, path)
    elif shape.type_name == "timestamp" and not (isinstance(value, datetime) and value.tzinfo):
        yield f"{path} is {value!r}, no aware time"


def _too_much(shape: Any, amount: int, path: str) -> Iterator[str]:
    most = shape.metadata.get("max")
    if most is not None and amount > most:
        yield f"{path} has {amount} and the most is {most}"
