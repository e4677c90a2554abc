#!/usr/bin/env python
"""Run Perdure's management commands, by default with the development settings."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings.development")
    execute_from_command_line(sys.argv)
