"""Telling people and programs that do not watch: a command, an HTTPS webhook, an SNS topic."""
