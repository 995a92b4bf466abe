#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# F5: the kernel ends a rank for want of memory: said as such, and the next attempt ends with the same bits. Needs a memory
# cgroup of its own.
# shellcheck source=tests/launch/assert.sh
. "$(dirname "${BASH_SOURCE[0]}")/assert.sh"

lockstep=${LOCKSTEP_TEST_BINARY:-$repo/build/dev/src/lockstep}
cd "$scratch" || exit 1

# Of cgroup v1 or v2, for 32 MiB: far less than a rank needs.
make_group() {
  local path limit
  for limit in memory.limit_in_bytes memory.max; do
    [ $limit = memory.max ] && path=/sys/fs/cgroup || path=/sys/fs/cgroup/memory
    group=$path/lockstep-test-$$
    mkdir "$group" 2>/dev/null || continue
    if [ -e "$group/$limit" ] && echo $((32 << 20)) >"$group/$limit"; then return 0; fi
    rmdir "$group"
  done
  return 1
} 2>/dev/null
if ! make_group; then
  echo 'skipped: no memory cgroup can be made here'
  exit 77
fi
trap 'rmdir "$group"; rm -rf "$scratch"' EXIT

cat >rank <<TEXT
#!/usr/bin/env bash
if [ "\${OMPI_COMM_WORLD_RANK:-}" = 1 ] && mkdir "$scratch/fired" 2>/dev/null; then echo \$\$ >"$group/cgroup.procs"; fi
exec "$lockstep" "\$@"
TEXT
chmod +x rank

claims 'a rank that the kernel ends for want of memory is named as such, and the next attempt ends with the same bits'
config=$repo/tests/slurm/tiny.yaml
"$lockstep" train -c "$config" run.dir="$scratch/undisturbed" >/dev/null 2>&1
output=$(LOCKSTEP_BIN=$scratch/rank "$lockstep" run -n 2 "$config" run.dir="$scratch/run" 2>&1)
equal 0 "$?" code
equal yes "$([ -d fired ] && echo yes || echo no)" 'fault injected'
contains "$output" 'code 137 (killed by signal 9): the kernel of this host ended a process for want of memory'
equal "$(cat undisturbed/DONE)" "$(cat run/DONE)" 'end of the run'

finish
