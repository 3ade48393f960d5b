"""What people type on the execution pages."""

from django import forms

HOW = (
    ("reduce_only", "Exits only: nothing new is opened, positions are still closed by their rules."),
    ("halt", "Stop everything: only cancels are sent. Positions stay open until somebody closes them."),
)


class StopForm(forms.Form):
    """How hard to stop, and why."""

    how = forms.ChoiceField(choices=HOW, widget=forms.RadioSelect, initial="halt", label="How")
    reason = forms.CharField(max_length=300, label="Why", widget=forms.TextInput(attrs={"autofocus": True, "size": 60}))
