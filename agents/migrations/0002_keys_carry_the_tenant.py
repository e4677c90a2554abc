"""Foreign keys that carry the tenant, so that no row can belong to two organizations at once.

Django knows no composite foreign keys, and needs to know nothing of these.
"""

from __future__ import annotations

from django.db import migrations

AGENT = "agent_and_its_workspace_share_the_organization"
API_KEY = "api_key_and_its_agent_share_the_organization"


class Migration(migrations.Migration):
    """Let PostgreSQL see to it that agents and keys stay in their organization."""

    dependencies = [("agents", "0001_initial")]

    operations = [
        migrations.RunSQL(
            f"""
            ALTER TABLE agents_agent ADD CONSTRAINT {AGENT}
                FOREIGN KEY (workspace_id, organization_id)
                REFERENCES agents_workspace (id, organization_id) DEFERRABLE INITIALLY DEFERRED
            """,
            f"ALTER TABLE agents_agent DROP CONSTRAINT {AGENT}",
        ),
        migrations.RunSQL(
            f"""
            ALTER TABLE agents_apikey ADD CONSTRAINT {API_KEY}
                FOREIGN KEY (agent_id, organization_id)
                REFERENCES agents_agent (id, organization_id) DEFERRABLE INITIALLY DEFERRED
            """,
            f"ALTER TABLE agents_apikey DROP CONSTRAINT {API_KEY}",
        ),
    ]
