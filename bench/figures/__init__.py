"""The figures, a module for each question: how fast, how soon, after what crash, at what cost."""
