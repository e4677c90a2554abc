"""CrewAI tells its makers of each run unless it is asked not to; it is asked before anything of it is imported."""

import os

os.environ.update(CREWAI_DISABLE_TELEMETRY="true", CREWAI_TRACING_ENABLED="false", OTEL_SDK_DISABLED="true")
