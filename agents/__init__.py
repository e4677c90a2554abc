"""Who: organizations, workspaces, members, agents, their API keys and their presence."""
