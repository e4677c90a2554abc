"""The dashboard's pages about intents."""
