"""The dashboard's shell, and its pages about people, keys and agents."""
