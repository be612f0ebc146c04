"""Helper processes that are shared by all processes of a home.

The first user of a helper starts it, and later users join it. It ends some time after its last user
has ended, for whatever reason. This is coordinated by locks on three files in `home/run`, which the
kernel releases even after kill -9:

- `<name>.users`: each user holds a shared lock; if the supervisor gets an exclusive lock, there are
  no users.
- `<name>.start`: locked exclusively while a process joins or starts the helper, and while the
  supervisor ends it.
- `<name>.alive`: locked by the supervisor and by the helper, its child; contains their process ids.

The supervisor ends when its child ends. On Linux the child also ends when the supervisor is killed
(PR_SET_PDEATHSIG). On other systems, kill -9 of the supervisor leaves its child running, and the
next user joins that child.

Imports `errors`.
"""

from spotlab.processes.files import run_dir, socket_dir
from spotlab.processes.membership import Helper, Membership, begin, join

__all__ = ["Helper", "Membership", "begin", "join", "run_dir", "socket_dir"]
