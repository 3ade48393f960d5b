"""Other people's admin pages in our clothes: users, groups and Celery's schedule."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django_celery_beat import admin as beat
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

for model in (User, Group, PeriodicTask, CrontabSchedule, IntervalSchedule, ClockedSchedule, SolarSchedule):
    admin.site.unregister(model)


@admin.register(User)
class PeopleAdmin(UserAdmin, ModelAdmin):  # type: ignore[type-arg]
    """Users."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class RolesAdmin(GroupAdmin, ModelAdmin):
    """Groups."""


class OperatorsOnly(ModelAdmin):
    """A schedule can run any task with any argument: superusers only."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Superusers."""
        return self.has_module_permission(request)

    has_change_permission = has_delete_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Superusers."""
        return self.has_module_permission(request)


class TaskWidget(UnfoldAdminSelectWidget, beat.TaskSelectWidget):
    """The list of registered tasks."""


class TaskForm(beat.PeriodicTaskForm):
    """Celery's form with the admin's widgets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["task"].widget = UnfoldAdminTextInputWidget()
        self.fields["regtask"].widget = TaskWidget()


@admin.register(PeriodicTask)
class TaskAdmin(OperatorsOnly, beat.PeriodicTaskAdmin):
    """What runs when."""

    form = TaskForm
    list_display = ("name", "enabled", "crontab", "last_run_at", "total_run_count")
    date_hierarchy = None


@admin.register(CrontabSchedule)
class CrontabAdmin(OperatorsOnly, beat.CrontabScheduleAdmin):
    """Clock times."""


@admin.register(IntervalSchedule)
class IntervalAdmin(OperatorsOnly, beat.IntervalScheduleAdmin):
    """Intervals."""


@admin.register(ClockedSchedule)
class ClockedAdmin(OperatorsOnly, beat.ClockedScheduleAdmin):
    """Single moments."""


@admin.register(SolarSchedule)
class SolarAdmin(OperatorsOnly, beat.SolarScheduleAdmin):
    """Sunrise and sunset."""
