"""`setting` and `Declared`: declare a field together with its help, flag, range and default."""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from tam_video.errors import ConfigError, UnknownNameError

REQUIRED: Final = object()
"""Default of a field that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Metadata of a declared field, as in `Annotated[float, Setting(help="...")]`.

    Attributes:
        help: one or more sentences for help texts, presets and docs.
        flag: long option; "" derives it from the field's name.
        short: short option, such as "-n".
        metavar: placeholder of the value in help texts.
        unset: what an unset field means; for fields whose default is None.
        example: a value that presets show for a field whose default is None.
        value: a value that new presets set.
        parse: text of the command line -> value, if click's own types do not suffice.
        former: a former name of the field, which settings files and the command line still accept.
        min_length: least number of entries or characters.
        ge: smallest value.
        gt: the value is larger than this.
        le: largest value.
        lt: the value is smaller than this.
    """

    help: str
    flag: str = ""
    short: str = ""
    metavar: str | None = None
    unset: str = ""
    example: Any = None
    value: Any = None
    parse: Callable[[str], Any] | None = None
    former: str = ""
    min_length: int | None = None
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    __is_annotated_types_grouped_metadata__ = True  # pydantic reads the constraints by iterating

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the constraints as `annotated_types` objects."""
        import annotated_types

        yield annotated_types.Interval(**{name: getattr(self, name) for name in _COMPARISONS})
        if self.min_length is not None:
            yield annotated_types.MinLen(self.min_length)


@dataclass(frozen=True, slots=True)
class _Pending:
    default: Any
    setting: Setting


def setting(default: Any, help: str, **attributes: Any) -> Any:
    """Declare a field of a `Declared` class with a default and the arguments of `Setting`."""
    return _Pending(default, Setting(help=help, **attributes))


class Declared:
    """Base class for dataclasses and pydantic models with declared fields.

    `opacity: float = setting(0.6, "Heatmap opacity.", ge=0)` becomes a field with the default 0.6
    and the `Setting` in its annotation.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Move each `Setting` of a class from the field's default into the field's annotation."""
        super().__init_subclass__(**kwargs)
        pending = {key: value for key, value in vars(cls).items() if isinstance(value, _Pending)}
        own = SimpleNamespace(__annotations__={name: cls.__annotations__[name] for name in pending})
        names = vars(sys.modules[cls.__module__])
        for name, hint in get_type_hints(own, names, include_extras=True).items():
            cls.__annotations__[name] = Annotated[hint, pending[name].setting]
            if pending[name].default is REQUIRED:
                delattr(cls, name)
            else:
                setattr(cls, name, pending[name].default)


@dataclass(frozen=True, slots=True)
class Field:
    """Name, type, default and metadata of a declared field.

    Attributes:
        name: the field's name, which is its key in presets and in recorded settings.
        type: its type without metadata.
        default: its default; `REQUIRED` where there is none.
        setting: its metadata.
    """

    name: str
    type: Any
    default: Any
    setting: Setting

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed values of the field or its tuple entries. Empty if any value is allowed."""
        inner = get_args(self.type)[0] if get_origin(self.type) is tuple else self.type
        return get_args(inner) if get_origin(inner) is Literal else ()

    @property
    def meaning(self) -> str:
        """The help text. The choices are appended unless the text lists all of them."""
        if all(choice in self.setting.help for choice in self.choices):
            return self.setting.help
        return f"{self.setting.help} One of: {', '.join(self.choices)}."

    @property
    def scalar(self) -> Any:
        """The type of the field without `None`."""
        if get_origin(self.type) not in (Union, UnionType):
            return self.type
        kinds = [each for each in get_args(self.type) if each is not NoneType]
        return kinds[0] if len(kinds) == 1 else Union[tuple(kinds)]  # noqa: UP007

    @property
    def flag(self) -> str:
        """The long command-line flag."""
        return self.setting.flag or f"--{self.name.replace('_', '-')}"

    @property
    def default_text(self) -> str:
        """The default as text, or an empty string if there is no default to show."""
        if self.default is None or self.default == () or self.default is REQUIRED:
            return self.setting.unset
        if isinstance(self.default, tuple):
            return ",".join(map(str, self.default))
        return str(self.default).lower() if isinstance(self.default, bool) else f"{self.default}"


_COMPARISONS = {"ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt}


@cache
def declared(cls: type[Any]) -> tuple[Field, ...]:
    """Return the fields of a class that are annotated with a `Setting`, in order of declaration."""
    fields = []
    for name, hint in get_type_hints(cls, include_extras=True).items():
        for each in getattr(hint, "__metadata__", ()):
            if isinstance(each, Setting):
                others = [other for other in hint.__metadata__ if other is not each]
                kind = Annotated[hint.__origin__, *others] if others else hint.__origin__
                fields.append(Field(name, kind, _default(cls, name), each))
    return tuple(fields)


def check_values(settings: Any) -> None:
    """Check the fields of a settings dataclass against their choices and ranges.

    Raises:
        UnknownNameError: a name is not one of the choices.
        ConfigError: a value is out of range.
    """
    for field in declared(settings.__class__):
        value, setting = getattr(settings, field.name), field.setting
        for name in value if isinstance(value, tuple) else (value,):
            if field.choices and name not in field.choices:
                raise UnknownNameError(field.name.replace("_", " "), str(name), field.choices)
        for name, compare in _COMPARISONS.items():
            bound = getattr(setting, name)
            if bound is not None and value is not None and not compare(value, bound):
                raise ConfigError(f"{field.name} {value} is out of range", hint=setting.help)


def _default(cls: type[Any], name: str) -> Any:
    """Return the default of a dataclass field or pydantic field."""
    fields = getattr(cls, "model_fields", {})
    if name in fields:
        return REQUIRED if fields[name].is_required() else fields[name].default
    return getattr(cls, name, REQUIRED)
