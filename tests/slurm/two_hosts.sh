# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# `lockstep run --hostfile` over the two nodes of dev-cluster, without Slurm: n1 with 2 slots, where it is started, and n2
# with 1. A step of tests/slurm/tiny.yaml takes 0.1 s.
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
: >fault  # LOCKSTEP_FAULT of all ranks
# shellcheck disable=SC2016  # for the rank
printf '#!/bin/sh\nLOCKSTEP_FAULT=$(cat %s) LD_PRELOAD=%s SLOW_US=20000 exec %s "$@"\n' "$scratch/fault" "$SLOW_ALLREDUCE" \
  "$LOCKSTEP_BIN" >bin/rank
chmod +x bin/rank

# begin -n N [key=value…]: lockstep run in n1, in the background; what it says is in job.log.
begin() {
  "$scratch/bin/on" n1 "cd $scratch && LOCKSTEP_BIN=$scratch/bin/rank exec $LOCKSTEP_BIN run --hostfile hostfile $1 $2 tiny.yaml run.dir=$run watch.limit_s=8 ${*:3}" >job.log 2>&1 &
  supervisor=$!
}
# pids_on NODE: of the ranks there.
pids_on() {
  local process net
  net=$(cat "$cluster_dir/$1.net")
  for process in /proc/[0-9]*; do
    [ "$(readlink "$process/ns/net" 2>/dev/null)" = "$net" ] || continue
    case $(tr '\0' ' ' <"$process/cmdline" 2>/dev/null) in
      "$LOCKSTEP_BIN train "*"run.dir=$run "*) echo "${process#/proc/}" ;;
    esac
  done
}
no_ranks_on() { [ -z "$(pids_on "$1")" ]; }
# ends_well: with 0, the same bits and nothing left on either host.
ends_well() {
  wait "$supervisor"
  equal 0 "$?" code
  same_bits
  nothing_left
}
