from django.apps import AppConfig


class ControlplaneConfig(AppConfig):
    """What wires agents and intents together; has no tables of its own."""

    name = "controlplane"
    verbose_name = "Control plane"
