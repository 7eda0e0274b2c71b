"""Notices for people and programs that do not watch: by a command, an HTTPS webhook, an SNS topic."""
