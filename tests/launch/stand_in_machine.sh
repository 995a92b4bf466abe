# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# assert.sh, for tests of scripts that set a machine up: its programs are stand-ins, and it says that it runs Debian 12.
# shellcheck source=tests/launch/assert.sh
. "$(dirname "${BASH_SOURCE[0]}")/assert.sh"

unset LOCKSTEP_TORCH LOCKSTEP_SETUP_ANY
mkdir -p "$scratch/bin"
for program in dpkg-query apt-get sudo df g++ cmake ctest python3 unzip ninja mpirun pkg-config; do
  ln -s "$stubs/setup-machine" "$scratch/bin/$program"
done
PATH=$scratch/bin:$PATH
printf 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n' >"$scratch/debian"
export LOCKSTEP_OS_RELEASE=$scratch/debian
