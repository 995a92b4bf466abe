#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two hosts of dev-cluster under `lockstep run --hostfile`, without Slurm.
# shellcheck source=tests/slurm/cluster.sh
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

unset OMPI_MCA_pml OMPI_MCA_btl
export OMPI_MCA_btl_tcp_if_include=eth0 OMPI_MCA_oob_tcp_if_include=eth0
hosts=$cluster_dir/hosts

# on HOST COMMAND: as ssh would run it there, or fail, where the link is down.
mkdir bin
cat >bin/ssh <<TEXT
#!/usr/bin/env bash
while [[ \$1 == -* ]]; do [[ \$1 != -o ]] || shift; shift; done
host=\$1; shift
if [ "\$(cat /sys/class/net/lsv\${host#n}/operstate 2>/dev/null || ip -o link show eth0 | grep -o LOWER_UP)" = down ]; then
  sleep 1; echo "ssh: connect to host \$host port 22: No route to host" >&2; exit 255
fi
exec "$scratch/bin/on" "\$host" "\$*"
TEXT
cat >bin/on <<TEXT
#!/usr/bin/env bash
exec nsenter --net=/run/netns/ls\$1 unshare --uts --mount --propagation private bash -c "
  hostname \$1 && mount -t tmpfs -o size=256m tmpfs /dev/shm && mount --bind $hosts /etc/hosts && exec bash -c \\"\\\$0\\"" "\$2"
TEXT
chmod +x bin/ssh bin/on
export PATH=$scratch/bin:$PATH
printf 'n1 slots=2\nn2 slots=1\n' >hostfile

claims 'H11a: a link that is cut for good: both sides leave, and the run goes on with the ranks of the host that is left'
printf '#!/bin/sh\nLD_PRELOAD=%s SLOW_US=20000 exec %s "$@"\n' "$SLOW_ALLREDUCE" "$LOCKSTEP_BIN" >bin/rank
chmod +x bin/rank
"$scratch/bin/on" n1 "cd $scratch && LOCKSTEP_BIN=$scratch/bin/rank exec $LOCKSTEP_BIN run -n auto --hostfile hostfile tiny.yaml run.dir=$run watch.limit_s=8" >job.log 2>&1 &
supervisor=$!
eventually 60 at_step 30
"$cluster" cut-node n2
cut=$SECONDS
no_ranks_on() { ! for process in /proc/[0-9]*; do
  [ "$(readlink "$process/ns/net" 2>/dev/null)" != "$(cat "$cluster_dir/$1.net")" ] || tr '\0' ' ' <"$process/cmdline"
done | grep -q "run.dir=$run"; }
eventually 18 no_ranks_on n2
echo "n2 is empty after $((SECONDS - cut)) s"
wait "$supervisor"
equal 0 "$?" code
contains "$(cat job.log)" 'going on without it'
contains "$(cat "$run/events.jsonl")" '"event":"host_dropped"'
# shellcheck disable=SC2119  # of this run
same_bits
nothing_left

finish
