"""
``MediaField``: a column that holds the id of a media.

The value that a row shows of it, and the rules of its assignment, are in :mod:`.field_media`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from django.core import checks
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.files import File
from django.db import models, transaction
from django.db.models import signals
from django.utils.translation import gettext_lazy as _

from . import companions, last_events
from .conf import DEFAULT_ALIAS, NAME, aliases, hears_notifications
from .discards import discard
from .field_media import FieldMedia, MediaDescriptor, WatchingDescriptor
from .forms import MediaFormField
from .limits import Limits, extension_of
from .protocol.seclevel import parse_seclevel
from .protocol.urls import is_media_id
from .uploads import DEFAULT_ASSETS, claim, upload_media

__all__ = ["FieldMedia", "MediaField"]

OnDelete = Literal["keep", "delete"]
NOT_UPLOADED = "Only save() and bulk_create() upload a file; queries take the id of a media."


class MediaField(models.CharField):  # type: ignore[type-arg]
    """
    A column of 24 characters for the id of a media.

    A file that is assigned in code is uploaded by ``save()``, as ``FileField`` does with a remote
    storage. An id, and what a form hands over, is only stored: saving it asks no network.

    Args:
        account: Alias in ``CLOUDKEYS``.
        assets: Names of the assets that are made of what is uploaded through this field.
        source_field: Name of a ``FileField`` of the same model that holds the original, for the
            admin action that uploads it.
        max_size: Bytes of a file that is uploaded through this field, at most.
        allowed_extensions: Endings of the names of such files, ``["mp4", "mov"]``; all by default.
        seclevel: Level of the field's addresses, ``"ip|useragent"``; the account's by default.
        on_delete: What becomes of a media that was deleted with its row, or that ``save()``
            replaced: ``"keep"``, or ``"delete"`` it on the cloud when the transaction is committed
            and no row of any field of the account holds it any more.
        status_field: Name of a ``CharField`` of the same model that keeps the
            :class:`~django_cloudkey.media_state.MediaState`.
        duration_field: Name of a ``FloatField`` or ``IntegerField`` of the same model, with
            ``null=True``, that keeps the seconds.
    """

    description = _("Media on a video cloud")
    descriptor_class = MediaDescriptor
    is_media_field = True
    """By which :mod:`.rows` knows a column of media."""

    def __init__(
        self,
        *args: Any,
        account: str = DEFAULT_ALIAS,
        assets: Sequence[str] = DEFAULT_ASSETS,
        source_field: str = "",
        max_size: int | None = None,
        allowed_extensions: Sequence[str] = (),
        seclevel: int | str | None = None,
        on_delete: OnDelete = "keep",
        status_field: str = "",
        duration_field: str = "",
        **kwargs: Any,
    ) -> None:
        if on_delete not in get_args(OnDelete):
            raise ValueError(f"on_delete must be 'keep' or 'delete', not {on_delete!r}.")
        self.on_delete = on_delete
        self.status_field = status_field
        self.duration_field = duration_field
        self.account = account
        self.assets = tuple(assets)
        self.source_field = source_field
        self.limits = Limits(max_size, allowed_extensions)
        self.seclevel = None if seclevel is None else parse_seclevel(seclevel)
        if self.has_companions:
            self.descriptor_class = WatchingDescriptor
        kwargs.setdefault("max_length", 24)
        if not kwargs.get("unique"):
            kwargs.setdefault("db_index", True)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        if kwargs.get("max_length") == 24:
            del kwargs["max_length"]
        # Like every option that changes no column, these stay out of migrations.
        if not self.db_index and not self.unique:  # type: ignore[attr-defined]
            kwargs["db_index"] = False
        else:
            kwargs.pop("db_index", None)
        return name, path, args, kwargs

    @property
    def label(self) -> str:
        """``app_label.model.field``, by which forms and uploads know the field."""
        return f"{self.model._meta.label_lower}.{self.name}"

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        return [
            *super().check(**kwargs),
            *self._check_source_field(),
            *self._check_account(),
            *companions.check(self),
        ]

    def _check_account(self) -> list[checks.CheckMessage]:
        # A site may do without any account, such as one that only runs a cloud's migrations.
        if self.account in aliases() or not aliases():
            return []
        text = f"account={self.account!r} is not an alias in {NAME}."
        return [checks.Error(text, obj=self, id="cloudkey.E011")]

    def _check_source_field(self) -> list[checks.CheckMessage]:
        if not self.source_field:
            return []
        try:
            field = self.model._meta.get_field(self.source_field)
        except FieldDoesNotExist:
            field = None
        if isinstance(field, models.FileField):
            return []
        text = f"source_field={self.source_field!r} is not a FileField of {self.model.__name__}."
        return [checks.Error(text, obj=self, id="cloudkey.E010")]

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, FieldMedia | File) else super().to_python(value)

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        media = value if isinstance(value, FieldMedia) else FieldMedia(self, value)
        if media.file is not None:
            self._check_limits(media.file)
            return
        super().validate(media.id or ("" if value is not None else None), model_instance)
        if media.id and not is_media_id(media.id):
            text = _("A media id is 24 characters of 0-9 and a-f.")
            raise ValidationError(text, code="invalid")

    def _check_limits(self, file: File[Any]) -> None:
        # The size of a file that is in a storage already would have to be asked for there.
        is_stored = getattr(file, "_committed", False)
        size = None if is_stored else getattr(file, "size", None)
        self.limits.check(extension=extension_of(file.name), size=size)

    def run_validators(self, value: Any) -> None:
        super().run_validators(str(value or ""))

    def get_prep_value(self, value: Any) -> str | None:
        if isinstance(value, FieldMedia):
            # Of an empty row, in the search for its double: '' equals no NULL, as it must.
            return value.id
        if isinstance(value, File):
            raise TypeError(NOT_UPLOADED)
        value = str(value or "")
        return value if value or not self.null else None

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if isinstance(value, FieldMedia):
            if value.file is not None:
                raise TypeError(NOT_UPLOADED)
            value = value.id
        return super().get_db_prep_save(value, connection)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        media = getattr(model_instance, self.attname)
        if not isinstance(media, FieldMedia):
            return media  # an expression, which the database works out
        if media.file is not None:
            id_ = upload_media(
                media.file, account=self.account, assets=self.assets, field=self.label
            )
            # Not assigned: the companions know since the file was that there is something new.
            model_instance.__dict__[self.attname] = id_
            return id_
        if model_instance.__dict__.pop(self._claim_mark, None) == media.id:
            claim(self.label, media.id)
        return media.id

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        setattr(instance, self.attname, data or "")
        instance.__dict__[self._claim_mark] = str(data or "") or None

    @property
    def _claim_mark(self) -> str:
        return f"_{self.name}_from_form"

    # What a field with options does beside its own column. Others connect to no signal: loading,
    # saving and deleting their rows costs nothing more.

    def contribute_to_class(
        self, cls: type[models.Model], name: str, private_only: bool = False
    ) -> None:
        super().contribute_to_class(cls, name, private_only)
        # Of an abstract model each that inherits it has a copy.
        if (self.on_delete == "delete" or self.has_companions) and not cls._meta.abstract:
            signals.class_prepared.connect(self._connect)

    def _connect(self, sender: type[models.Model], **kwargs: Any) -> None:
        """Watch the rows of the field's model, of its proxies and of models that extend it."""
        if not issubclass(sender, self.model):
            return
        signals.pre_save.connect(self._before_save, sender=sender)
        signals.post_save.connect(self._after_save, sender=sender)
        # The part that a row of another table extends is deleted as a row of its own.
        if self.on_delete == "delete" and sender._meta.concrete_model is self.model:
            signals.pre_delete.connect(self._before_delete, sender=sender)

    @property
    def has_companions(self) -> bool:
        """Whether there are columns for the state or the duration."""
        return bool(self.status_field or self.duration_field)

    @property
    def _change_mark(self) -> str:
        return f"_{self.name}_changed"

    @property
    def _stored_mark(self) -> str:
        return f"_{self.name}_stored"

    def reset_companions(self, instance: models.Model, media: FieldMedia) -> None:
        """Let the companions say that nothing is known yet of *media*."""
        instance.__dict__[self._change_mark] = True
        for name, value in companions.of_media(self, is_empty=not media).items():
            setattr(instance, name, value)

    def _before_save(
        self, *, instance: Any, raw: bool, using: str, update_fields: Any, **kwargs: Any
    ) -> None:
        if raw or not self._is_written(instance, update_fields):
            return
        if instance._state.adding and self.status_field:
            media = getattr(instance, self.attname)
            if media and not getattr(instance, self.status_field):
                self.reset_companions(instance, media)
        if self.on_delete == "delete" and _may_exist(instance):
            instance.__dict__[self._stored_mark] = self._stored(instance, using)

    def _after_save(
        self, *, instance: Any, raw: bool, using: str, update_fields: Any, **kwargs: Any
    ) -> None:
        state = instance.__dict__
        stored = state.pop(self._stored_mark, "")
        if stored and stored != state.get(self.attname):
            discard(self, stored, using=using)
        if self._is_written(instance, update_fields) and state.pop(self._change_mark, False):
            names = companions.of_media(self, is_empty=True)
            left = {name: state[name] for name in names if name not in (update_fields or names)}
            if left:
                self._row(instance, using).update(**left)
        own = {self.name, self.attname, self.status_field, self.duration_field}
        is_concerned = update_fields is None or not own.isdisjoint(update_fields)
        if self.has_companions and is_concerned and not raw:
            self._hear_of(instance, using)

    def _hear_of(self, instance: Any, using: str) -> None:
        """Once it is committed, look at what was told of the media before the row was there."""
        media = instance.__dict__.get(self.attname)
        if not is_media_id(media) or companions.is_settled(self, instance):
            return
        if not hears_notifications(self.account):
            return

        def hear() -> None:
            values = last_events.write_row(self, self._row(instance, using), media)
            if instance.__dict__.get(self.attname) == media:
                instance.__dict__.update(values)

        transaction.on_commit(hear, using=using, robust=True)

    def _before_delete(self, *, instance: Any, using: str, origin: Any, **kwargs: Any) -> None:
        # Rows of a queryset and rows that go with another were loaded just now. The one that a
        # program holds may be older, or changed and not saved.
        in_hand = isinstance(origin, self.model) and origin.pk == instance.pk
        media = self._stored(instance, using) if in_hand else str(getattr(instance, self.attname))
        # Inside the transaction of the deletion; nothing happens if that fails.
        discard(self, media, using=using)

    def _is_written(self, instance: models.Model, update_fields: Any) -> bool:
        if update_fields is not None:
            return self.name in update_fields or self.attname in update_fields
        return self.attname in instance.__dict__

    def _stored(self, instance: models.Model, using: str) -> str:
        """Return the id that the database has for the row, empty if it has none."""
        return self._row(instance, using).values_list(self.attname, flat=True).first() or ""

    def _row(self, instance: models.Model, using: str) -> models.QuerySet[Any]:
        pk = getattr(instance, self.model._meta.pk.attname)
        return models.QuerySet(self.model, using=using).filter(pk=pk)

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.value_from_object(obj))

    def formfield(self, **kwargs: Any) -> Any:
        options: dict[str, Any] = {
            "form_class": MediaFormField,
            "label_name": self.label,
            "account": self.account,
            "max_size": self.limits.max_size,
            "allowed_extensions": self.limits.allowed_extensions,
            "max_length": None,
        }
        return models.Field.formfield(self, **{**options, **kwargs})


def _may_exist(instance: models.Model) -> bool:
    """Say whether saving *instance* may change a row, rather than add one."""
    if not instance._state.adding:
        return True
    # As Django has it: a new row with a primary key that made itself is only ever inserted.
    return instance.pk is not None and not instance._meta.pk.has_default()
