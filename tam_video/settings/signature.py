"""Generate the signatures of Python functions that accept settings as keyword arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from tam_video.settings.groups import run_fields

Function = TypeVar("Function", bound=Callable[..., Any])


def list_settings(function: Function) -> Function:
    """Replace `**settings` in the signature of a function by the individual settings.

    Editors read the settings from `SettingKeywords`; `help()` and notebooks read them from here.
    """
    signature = inspect.signature(function)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    settings = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type
        )
        for field in run_fields()
        if field.name not in signature.parameters
    ]
    function.__signature__ = signature.replace(parameters=[*own, *settings])  # type: ignore[attr-defined]
    return function
