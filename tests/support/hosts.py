# SPDX-License-Identifier: Apache-2.0
"""Two hosts, h1 and h2, made of network namespaces of this machine, with a link between them and an `ssh` from one to the other; all of it
in namespaces that go away with their last process. Needs root, or a kernel that lets everybody make namespaces of users."""
import os
import subprocess
import sys

ON = """#!/usr/bin/env bash
exec nsenter --net=/run/netns/$1 unshare --uts --mount --propagation private bash -c "
  hostname $1 && mount -t tmpfs -o size=256m tmpfs /dev/shm && mount --bind {folder}/hosts /etc/hosts && exec bash -c \\"\\$0\\"" "$2"
"""
# As ssh would run it there, or fail where the link is down.
SSH = """#!/usr/bin/env bash
while [[ $1 == -* ]]; do [[ $1 != -o ]] || shift; shift; done
host=$1; shift
if ! ip -o link show eth0 | grep -q LOWER_UP; then
  sleep 1; echo "ssh: connect to host $host port 22: No route to host" >&2; exit 255
fi
exec "{folder}/on" "$host" "$*"
"""


def sh(command):
    subprocess.run(command, shell=True, check=True)


def enter():
    """Starts this program again in namespaces of its own, unless it is there already."""
    if "LOCKSTEP_TEST_HOSTS" not in os.environ:
        os.environ["LOCKSTEP_TEST_HOSTS"] = "1"
        as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        os.execvp("unshare", ["unshare", *as_root, "--mount", "--net", "--uts", "--propagation", "private", sys.executable] + sys.argv)


def make(folder, slots):
    """`slots`: of each host. `{folder}/on HOST COMMAND` runs one there; `ssh` is found first from now on, and Open MPI takes the link."""
    sh("mount -t tmpfs tmpfs /run && mkdir /run/netns && ip netns add h1 && ip netns add h2")
    sh("ip link add eth0 netns h1 type veth peer name eth0 netns h2")
    for host in (1, 2):
        sh(f"ip -n h{host} addr add 10.9.0.{host}/24 dev eth0 && ip -n h{host} link set eth0 up && ip -n h{host} link set lo up")
    hostfile = "".join(f"h{host + 1} slots={count}\n" for host, count in enumerate(slots))
    for name, text in (("on", ON), ("ssh", SSH), ("hosts", "127.0.0.1 localhost\n10.9.0.1 h1\n10.9.0.2 h2\n"), ("hostfile", hostfile)):
        with open(f"{folder}/{name}", "w") as file:
            file.write(text.replace("{folder}", folder))
        os.chmod(f"{folder}/{name}", 0o755)
    os.environ.update(PATH=f"{folder}:{os.environ['PATH']}", OMPI_MCA_btl_tcp_if_include="eth0", OMPI_MCA_oob_tcp_if_include="eth0",
                      OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
