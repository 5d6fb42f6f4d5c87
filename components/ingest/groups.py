"""What pictures that must never part have in common: a patient, a film, a burst."""

import re
from dataclasses import dataclass
from typing import Final, Self

from components.errors import DataRefused

_ARGUMENTS: Final = {"column": "NAME", "folder": "N", "path": "PATTERN"}
_FORMS: Final = re.compile(r"(column|folder|path):(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Grouping:
    """Where a picture's group stands: in a column, a folder's name or its path; nowhere where nothing is given."""

    column: str = ""
    """A manifest's column, or a feature of a record."""
    level: int = 0
    """Which folder below the class folder, from 1 on."""
    pattern: str = ""
    """A regular expression that finds the group in a path."""

    @classmethod
    def of(cls, text: str) -> Self:
        """Reads `data.group`.

        Raises:
            ValueError: It has none of the three forms, or its number or pattern is none.
        """
        if not text:
            return cls()
        found = _FORMS.fullmatch(text)
        if not found:
            raise ValueError(
                "data.group must be `column:NAME`, `folder:N` or `path:PATTERN`, as in column:patient; received "
                f"{text}."
            )
        form, value = found.groups()
        if form == "column":
            return cls(column=value)
        if form == "folder":
            if not re.fullmatch("[1-9][0-9]?", value):
                raise ValueError(f"data.group must count folders from 1 on, as in folder:1; received {text}.")
            return cls(level=int(value))
        try:
            re.compile(value)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(
                f"data.group must hold a regular expression after `path:`; received {value} ({error})."
            ) from None
        return cls(pattern=value)

    def of_path(self, path: str, folders: tuple[str, ...] = ()) -> str:
        """Gives the group of a picture that has a file of its own.

        Args:
            path: Its path below the data's address, or as a manifest has it.
            folders: Names of the folders between its class folder and itself.

        Returns:
            Empty where it has none.
        """
        if self.level:
            return folders[self.level - 1] if len(folders) >= self.level else ""
        match = re.search(self.pattern, path) if self.pattern else None
        return ((match[1] if match.re.groups else match[0]) or "") if match else ""


def grouping_of(text: str, source: str, *forms: str) -> Grouping:
    """Reads `data.group` for a source.

    Args:
        text: The setting.
        source: What the images come from, for a complaint, as in `a folder of images`.
        forms: Which of `column`, `folder` and `path` the source has.

    Raises:
        DataRefused: The source has no groups of this form.
    """
    if text and text.partition(":")[0] not in forms:
        expected = " or ".join(f"`{form}:{_ARGUMENTS[form]}`" for form in forms)
        raise DataRefused(f"data.group must be {expected} for {source}; received {text}.")
    return Grouping.of(text)
