"""Template tags of the pages about intents."""
