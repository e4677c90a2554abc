"""`make audit`: the gates that take longer than a test may, and the tools that the product does not need."""
