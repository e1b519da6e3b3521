"""What a field takes: files up to a size, and of certain kinds by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

from django.core.exceptions import ValidationError
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Limits of one field. What a file really is only the cloud finds out, after it has arrived.

    Raises:
        ValueError: the size is none, or the extensions are not a list of texts.
    """

    max_size: int | None = None
    """Bytes."""
    allowed_extensions: Sequence[str] = ()
    """Endings of file names, ``["mp4", "mov"]``; all when empty."""

    def __post_init__(self) -> None:
        size, extensions = self.max_size, self.allowed_extensions
        is_size = isinstance(size, int) and not isinstance(size, bool) and size > 0
        if size is not None and not is_size:
            raise ValueError(f"max_size must be a number of bytes, not {size!r}.")
        if isinstance(extensions, str) or not all(isinstance(each, str) for each in extensions):
            raise ValueError(f"allowed_extensions must be a list of texts, not {extensions!r}.")
        plain = tuple(each.lower().lstrip(".") for each in extensions)
        if not all(plain):
            raise ValueError("allowed_extensions must not contain an empty text.")
        object.__setattr__(self, "allowed_extensions", plain)

    def check(self, *, extension: str | None, size: int | None) -> None:
        """
        Check what is known of a file.

        Args:
            extension: As :func:`extension_of` returns it; None when it is not known.
            size: Bytes; None when they are not known.

        Raises:
            ValidationError: ``invalid_extension`` or ``too_large``; a sentence for the editor.
        """
        allowed = self.allowed_extensions
        if allowed and extension is not None and extension not in allowed:
            text = _("Files of this kind are not accepted here, only: %(kinds)s.")
            raise ValidationError(text, code="invalid_extension", params={"kinds": self.kinds})
        if self.max_size is not None and size is not None and size > self.max_size:
            text = _("The file is too large. Files of up to %(size)s are accepted here.")
            params = {"size": filesizeformat(self.max_size)}
            raise ValidationError(text, code="too_large", params=params)

    @property
    def kinds(self) -> str:
        """The kinds as they are shown: ``MP4, MOV``; empty for all."""
        return ", ".join(each.upper() for each in self.allowed_extensions)

    @property
    def accept(self) -> str:
        """What the file input offers: the value of its attribute."""
        return ",".join(f".{each}" for each in self.allowed_extensions) or "video/*"


def extension_of(name: object) -> str:
    """Return the ending of a file name, in lower case and without its dot; empty for none."""
    return PurePath(str(name or "")).suffix.lower().removeprefix(".")
