"""The form field and its widget: a file goes to the cloud, and its id into the form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from .conf import DEFAULT_ALIAS
from .limits import Limits, extension_of
from .models import BROWSE
from .references import BadReference, Reference, is_reference, read


class MediaInput(forms.Widget):
    """
    Chooses a file, uploads it with progress, and shows the state of the media.

    The hidden input carries a signed reference. Without JavaScript, or without this app's URLs, it
    is a file input, and the site sends the file on when the form is saved.
    """

    template_name = "django_cloudkey/media_input.html"
    needs_multipart_form = True
    field_label = ""
    """``app_label.model.field``."""
    user = ""
    """Primary key of the user who may use what the form was given."""
    limits = Limits()
    may_browse = False
    """Whether the library of the account is offered."""

    class Media:
        css = {"all": ["django_cloudkey/media_input.css", "django_cloudkey/media_picker.css"]}
        js = [forms.Script("django_cloudkey/media_input.js", type="module")]

    def format_value(self, value: Any) -> str:
        """Return the reference that the hidden input carries."""
        text = str(value or "")
        if not text:
            return ""
        if isinstance(value, str):
            # From a browser (a bound form, the query of an admin page): signing it would let its
            # author name any media.
            return text if is_reference(text) else ""
        return Reference(media=text, field=self.field_label, user=self.user).sign()

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        urls = endpoints()
        if not self.may_browse:
            urls = {name: url for name, url in urls.items() if name not in OF_LIBRARY}
        context["widget"] |= {
            "file_name": self._file_name(name),
            "file_attrs": self._file_attrs(context["widget"]["attrs"]),
            "clear_name": self._clear_name(name),
            "field": self.field_label,
            "limits": self.limits,
            "urls": urls,
        }
        return context

    def _file_attrs(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes of the file input, which stands for the whole field."""
        own = {**attrs, "accept": self.limits.accept}
        id_ = attrs.get("id")
        if not id_:
            return own
        own["id"] = self.id_for_label(id_)
        described = [attrs.get("aria-describedby", "")]
        if described[0]:
            # The admin names the help text after the label's id, forms after the field's.
            described.append(f"{own['id']}_helptext")
        if self.limits != Limits():
            described.append(f"{id_}_limits")
        if any(described):
            own["aria-describedby"] = " ".join(filter(None, described))
        return own

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        if data.get(self._clear_name(name)) and not self.is_required:
            return ""
        return files.get(self._file_name(name)) or data.get(name, "")

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        names = (name, self._clear_name(name))
        return self._file_name(name) not in files and not any(each in data for each in names)

    def use_required_attribute(self, initial: Any) -> bool:
        """A file has to be chosen only where there is no media yet."""
        return super().use_required_attribute(initial) and not initial

    def id_for_label(self, id_: str) -> str:
        return f"{id_}_file" if id_ else id_

    @staticmethod
    def _file_name(name: str) -> str:
        return f"{name}-file"

    @staticmethod
    def _clear_name(name: str) -> str:
        return f"{name}-clear"


OF_LIBRARY = ("library", "pick")
"""Names of the views for who may browse."""


def endpoints() -> dict[str, str]:
    """Return the addresses of this app's views; empty when the project does not include them."""
    names = ("ticket", "finish", "status", *OF_LIBRARY)
    try:
        return {name: reverse(f"django_cloudkey:{name}") for name in names}
    except NoReverseMatch:
        return {}


class MediaFormField(forms.Field):
    """
    A media id, a file to upload, or nothing.

    Args:
        label_name: ``app_label.model.field``; references of other fields are refused.
        account: Alias in ``CLOUDKEYS``.
        user: Primary key of the only user whose uploads are accepted; the admin names its own. A
            form that names none takes what any user uploaded for this field.
        max_size: Bytes of a file, at most.
        allowed_extensions: Endings of file names, ``["mp4", "mov"]``; all by default.

    Limits of the model's field hold in every form; those of a form can only be narrower.
    """

    widget = MediaInput
    default_error_messages = {
        "invalid": _("This upload does not belong to this form. Please upload the file again."),
        "empty": _("The file is empty."),
    }

    def __init__(
        self,
        *,
        label_name: str = "",
        account: str = DEFAULT_ALIAS,
        user: str = "",
        max_size: int | None = None,
        allowed_extensions: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        kwargs.pop("max_length", None)
        widget = kwargs.get("widget")
        if isinstance(widget, type) and issubclass(widget, forms.TextInput):
            del kwargs["widget"]  # the admin asks for its text input for every kind of CharField
        self.label_name = label_name
        self.account = account
        self.user = user
        self.limits = Limits(max_size, allowed_extensions)
        super().__init__(**kwargs)

    def bind_user(self, user: Any) -> None:
        """
        Accept only what this user uploaded, or picked from the account's library.

        Args:
            user: A user, who is offered the library if he may browse it; or a primary key.
        """
        self.user = self.widget.user = str(getattr(user, "pk", user))
        self.widget.may_browse = hasattr(user, "has_perm") and user.has_perm(BROWSE)

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        widget.field_label = self.label_name  # type: ignore[attr-defined]
        widget.user = self.user  # type: ignore[attr-defined]
        widget.limits = self.limits  # type: ignore[attr-defined]
        return {}

    def clean(self, value: Any) -> Any:
        # Of a disabled field it is the form's own value, never a browser's.
        return str(value or "") if self.disabled else super().clean(value)

    def to_python(self, value: Any) -> Any:
        """Return the media id that a reference names, or the file itself."""
        if isinstance(value, UploadedFile):
            if not value.size:
                raise ValidationError(self.error_messages["empty"], code="empty")
            self.limits.check(extension=extension_of(value.name), size=value.size)
            return value
        if not value:
            return ""
        try:
            reference = read(str(value))
        except BadReference as error:
            raise ValidationError(self.error_messages["invalid"], code="invalid") from error
        is_foreign = self.user and reference.user not in ("", self.user)
        if reference.field != self.label_name or is_foreign:
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        self.limits.check(extension=reference.extension, size=reference.size)
        return reference.media

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Show again a reference that was sent; in place of a file or a forgery, what was there."""
        return initial if self.disabled or (data and not is_reference(data)) else data

    def has_changed(self, initial: Any, data: Any) -> bool:
        if self.disabled:
            return False
        if isinstance(data, UploadedFile):
            return True
        try:
            media = read(str(data)).media if data else ""
        except BadReference:
            return True
        return media != str(initial or "")
