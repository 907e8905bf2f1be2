"""What `panel serve app` runs for every session: a few lines, the code is in modules."""

import jax

jax.config.update("jax_enable_x64", True)
# Each computation runs in the thread that asks for it, with its priority, and none waits in line.
jax.config.update("jax_cpu_enable_async_dispatch", False)

from app.layout import page  # noqa: E402
from app.programs import keep_loops_on_the_gpu, keep_programs  # noqa: E402


keep_loops_on_the_gpu()
keep_programs()
page().servable()
