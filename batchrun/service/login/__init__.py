"""Logging in to AWS: where credentials come from, how long that may take, and the errors when there are none.

Belongs here: everything between a profile's name and keys that can sign a call. Does not: clients
(``service.session``), what a launch does while there are no credentials (``service.calling.outage``).
"""

from batchrun.service.login.login import Login, Logins, profile_of
from batchrun.service.login.terminal import LoginTimes

__all__ = ["Login", "LoginTimes", "Logins", "profile_of"]
