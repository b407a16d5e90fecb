"""The demo: a whole centre with four drawn cameras on one machine, and a desk to break it at.

It sets up what an installation has (authority, certificates, broker, node, databases) by the same
commands, starts every process as a child of its own, and ends all of them. It imports no other
package: node and fleet are used by the `haidang` command.
"""

from haidang_cloud.demo.run import DemoOptions, run
from haidang_cloud.demo.servers import Servers

__all__ = ["DemoOptions", "Servers", "run"]
