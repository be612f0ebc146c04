"""Helper processes that all processes of a home share.

Whoever comes first starts a helper, whoever comes later joins, and it ends some time after its last
user is gone, however that user ended. Three files in `home/run` carry this; the kernel releases
their locks even on kill -9:

- `<name>.users`: each user holds it shared; the supervisor can take it alone when nobody is left.
- `<name>.start`: held alone while somebody joins or starts, and while the supervisor ends.
- `<name>.alive`: held by the supervisor and by the helper, its child; it names both.

The supervisor dies with its child, and on Linux the child with it (PR_SET_PDEATHSIG). Elsewhere a
supervisor that is killed with -9 leaves its child running: the next user joins that one.
"""

from spotlab.processes.files import run_dir, socket_dir
from spotlab.processes.membership import Helper, Membership, join

__all__ = ["Helper", "Membership", "join", "run_dir", "socket_dir"]
