"""One module per place where Perdure runs; each starts from `base`."""
