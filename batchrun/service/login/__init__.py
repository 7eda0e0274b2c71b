"""
Logging in to AWS: where credentials come from, how long that may take, and what is said when there are none.

Belongs here: everything between a profile's name and keys that a call can be signed with. Does not: clients
(``service.session``), and what a launch does while there are no credentials (``service.calling.outage``).
"""

from batchrun.service.login.login import Login, Logins, profile_of
from batchrun.service.login.terminal import Limits

__all__ = ["Limits", "Login", "Logins", "profile_of"]
