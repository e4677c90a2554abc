"""What `make test` tries of the audit: who may go where, what answers tell browsers, that controls can fail."""
