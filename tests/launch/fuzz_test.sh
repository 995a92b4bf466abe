#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# launch/fuzz on a stand-in machine, with stand-in fuzzers: what it builds, how it shares the time, how it fails.
# shellcheck source=tests/launch/stand_in_machine.sh
. "$(dirname "${BASH_SOURCE[0]}")/stand_in_machine.sh"

export FAKE_DIR=$scratch/machine LOCKSTEP_DEPS=$scratch/machine/deps
mkdir "$FAKE_DIR"

# A tree with two readers; the fuzzer of one finds something when told to.
tree=$scratch/tree
mkdir -p "$tree/tests/fuzz/corpus/one" "$tree/tests/fuzz/corpus/two" "$tree/build/fuzz/tests/fuzz"
cp -r "$repo/launch" "$tree/"
cat >"$tree/build/fuzz/tests/fuzz/fuzz_one" <<'TEXT'
#!/usr/bin/env bash
echo "${0##*/} $*" >>"$FAKE_DIR/calls"
printf 'stat::number_of_executed_units: 123\nstat::peak_rss_mb: 45\n'
[ -e "$FAKE_DIR/finds" ] && [ "${0##*/}" = fuzz_two ] || exit 0
prefix=$(printf '%s\n' "$@" | sed -n 's/^-artifact_prefix=//p')
echo bad >"${prefix}crash-1"
echo '==1==ERROR: AddressSanitizer: heap-buffer-overflow'
exit 77
TEXT
chmod +x "$tree/build/fuzz/tests/fuzz/fuzz_one"
cp "$tree/build/fuzz/tests/fuzz/fuzz_one" "$tree/build/fuzz/tests/fuzz/fuzz_two"
fuzz() {
  : >"$FAKE_DIR/calls"
  output=$("$tree/launch/fuzz" "$@" 2>&1 </dev/null)
  code=$?
  calls=$(grep -E '^(cmake -|fuzz_)' "$FAKE_DIR/calls" | grep -v -- --version)
}

claims 'it sets up, builds the fuzzers and gives each its share of the time'
fuzz --seconds 40 --seed 7
equal 0 "$code" "code ($output)"
contains "$calls" "cmake --preset fuzz"
contains "$calls" "--target fuzzers"
jobs=$(nproc)
[ "$jobs" -le 2 ] || jobs=2
contains "$calls" "fuzz_one -seed=7 -max_total_time=$((40 * jobs / 2)) "
contains "$calls" "fuzz_two -seed=7 "
contains "$output" 'one                     123 inputs,   45 MB at most'
contains "$output" 'seed 7'
contains "$(tail -1 <<<"$output")" 'nothing found in 40 s'

claims 'one reader alone gets all of it'
fuzz --target one
equal 0 "$code" "code ($output)"
contains "$calls" 'fuzz_one -seed=1 -max_total_time=60 '
lacks "$calls" fuzz_two

claims 'what a fuzzer finds ends the run with 1, the file and how to replay it'
: >"$FAKE_DIR/finds"
fuzz --seconds 2
equal 1 "$code" "code ($output)"
contains "$output" 'two: ==1==ERROR: AddressSanitizer: heap-buffer-overflow'
file=$tree/build/fuzz/found/two-crash-1
equal bad "$(cat "$file")" 'the file'
contains "$output" "found $file; replay it with: build/fuzz/tests/fuzz/fuzz_two $file"
lacks "$output" 'nothing found'
rm "$FAKE_DIR/finds"

claims 'words it does not know are refused'
for words in '--seconds' '--seconds 0' '--seconds x' '--seed -1' '--target nobody' '--what' 'file'; do
  # shellcheck disable=SC2086  # words
  fuzz $words
  equal 64 "$code" "code of $words ($output)"
  equal '' "$calls" "calls of $words"
done
fuzz --target nobody
contains "$output" 'there are: one two'
fuzz --help
equal 0 "$code" code
contains "$output" 'launch/fuzz --seconds 3600'
finish
