"""Small CSV files people keep in a spreadsheet: in and out of the admin, row by row, with a preview."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from import_export.admin import ImportExportModelAdmin
from import_export.formats.base_formats import CSV
from import_export.resources import ModelResource
from import_export.widgets import CharWidget, DecimalWidget
from unfold.admin import ModelAdmin
from unfold.contrib.import_export.forms import ImportForm, SelectableFieldsExportForm

BYTES_MAX = 1_000_000
ROWS_MAX = 5_000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class PlainText(CharWidget):
    """Text that no spreadsheet takes for a formula: a leading quote goes out with it and comes off again."""

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        """Write the text."""
        text = str(super().render(value, obj, **kwargs))
        return f"'{text}" if text.lstrip().startswith(FORMULA_STARTS) else text

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> str:
        """Read the text."""
        text = str(super().clean(value, row, **kwargs) or "").strip()
        return text[1:] if text.startswith("'") and text[1:].lstrip().startswith(FORMULA_STARTS) else text


class FiniteDecimal(DecimalWidget):
    """A number; NaN and infinity are not."""

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        """Read the number."""
        number = super().clean(value, row, **kwargs)
        if number is not None and not number.is_finite():
            raise ValueError(f"{value} is not a number.")
        return number


class SmallResource(ModelResource):
    """Rows by natural key, each validated like a form; one bad row refuses the file."""

    WIDGETS_MAP: ClassVar[dict[str, Any]] = {
        **ModelResource.WIDGETS_MAP,
        "CharField": PlainText,
        "DecimalField": FiniteDecimal,
    }

    class Meta:
        clean_model_instances = True
        skip_unchanged = True
        report_skipped = True
        use_transactions = True

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        """Refuse what is no small file, or lacks the key."""
        if len(dataset) > ROWS_MAX:
            raise ValidationError(f"The file has {len(dataset)} rows; at most {ROWS_MAX} are imported here.")
        keys = self._meta.import_id_fields
        missing = [key for key in keys if key not in (dataset.headers or [])]
        if missing:
            raise ValidationError(f"The file has no column {', '.join(missing)}.")


class SmallImportForm(ImportForm):
    """The upload, weighed before it is parsed."""

    def clean_import_file(self) -> Any:
        """Refuse big files and files that are not text."""
        upload = self.cleaned_data["import_file"]
        if upload.size > BYTES_MAX:
            raise forms.ValidationError(f"The file has {upload.size:,} bytes; at most {BYTES_MAX:,} are imported here.")
        content = upload.read()
        upload.seek(0)
        if b"\0" in content or content.lstrip().startswith(b"<"):
            raise forms.ValidationError("This is not a CSV file.")
        return upload


class CsvAdmin(ImportExportModelAdmin, ModelAdmin):
    """An admin page with CSV import (who may add and change) and export (who may view)."""

    import_form_class = SmallImportForm
    export_form_class = SelectableFieldsExportForm
    formats: ClassVar[list[type[CSV]]] = [CSV]
    list_per_page = 100

    def has_import_permission(self, request: HttpRequest) -> bool:
        """An import adds and changes."""
        return bool(self.has_add_permission(request) and self.has_change_permission(request))

    def has_export_permission(self, request: HttpRequest) -> bool:
        """An export shows."""
        return bool(self.has_view_permission(request))
