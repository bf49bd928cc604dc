"""A host for each process of a run: network namespaces on one switch, whose cables can be cut. It needs root and `ip`."""
import os
import subprocess


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Hosts:
    """So many hosts; a context at whose end they are gone."""

    def __init__(self, count):
        self.prefix, self.count = f"fratmae-bench-{os.getpid()}-", count

    def __enter__(self):
        switch = f"{self.prefix}switch"
        ip("netns", "add", switch)
        ip("-n", switch, "link", "add", "br0", "type", "bridge")
        ip("-n", switch, "link", "set", "br0", "up")
        for host in range(self.count):
            name = f"{self.prefix}{host}"
            ip("netns", "add", name)
            ip("-n", switch, "link", "add", f"h{host}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("-n", switch, "link", "set", f"h{host}", "master", "br0", "up")
            ip("-n", name, "address", "add", f"{self.address(host)}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        for name in ["switch", *range(self.count)]:
            subprocess.run(["ip", "netns", "delete", f"{self.prefix}{name}"], check=False)

    def address(self, host):
        return f"10.79.0.{host + 1}"

    def on(self, host):
        """What to put before a command so that it runs on a host."""
        return ["ip", "netns", "exec", f"{self.prefix}{host}"]

    def cut(self, host):
        """The switch forwards nothing of a host any more: packets vanish, and nobody is told."""
        self.forward(host, "0")

    def mend(self, host):
        self.forward(host, "3")

    def forward(self, host, state):
        switch = f"{self.prefix}switch"
        ip("netns", "exec", switch, "bridge", "link", "set", "dev", f"h{host}", "state", state)
