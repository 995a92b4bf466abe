// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "config/resume_check.h"
#include "lockstep/base/fault_point.h"
#include "message.h"

namespace lockstep {
namespace {

#ifdef LOCKSTEP_FAULT_POINTS

// A fault of the matrix, the guard that stops it, and what it looks like.
struct Guarded {
  const char* name;
  const char* guard;
  void (*attack)();

  friend void PrintTo(const Guarded& one, std::ostream* out) { *out << one.name; }
};

std::string repeated(const std::string& piece, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += piece;
  return text;
}

bool is_refused(void (*attack)()) {
  try {
    attack();
    return false;
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kConfig);
    return true;
  }
}

class Guard : public ::testing::TestWithParam<Guarded> {
 protected:
  void TearDown() override { arm_fault_points("", {}); }
};

// Without the guard the attack goes through: so it is this guard that the other tests see at work.
TEST_P(Guard, IsWhatRefusesTheAttack) {
  EXPECT_TRUE(is_refused(GetParam().attack));
  arm_fault_points("skip@point=" + std::string(GetParam().guard), {});
  EXPECT_FALSE(is_refused(GetParam().attack));
}

INSTANTIATE_TEST_SUITE_P(
    Matrix, Guard,
    ::testing::Values(
        Guarded{"F36Change", "guard.skip_change",
                [] {
                  const RunConfig now = load_text(kSmall, {"run.seed=1"});
                  refuse_forbidden_changes(changes_between(load_text(kSmall).flat, now), now);
                }},
        Guarded{"F39Alias", "guard.skip_alias",
                [] { load_text(kSmall + "run:\n  metadata: {a: &a [1], b: [*a, *a, *a]}\n"); }},
        Guarded{"F39SelfReference", "guard.skip_alias",
                [] { load_text(kSmall + "run: {metadata: {a: &a [*a]}}\n"); }},
        Guarded{"F39Nesting", "guard.skip_depth",
                [] {
                  load_text(kSmall + "run: {metadata: {a: " + repeated("[", 100) + repeated("]", 100) +
                            "}}\n");
                }},
        Guarded{"F39Size", "guard.skip_text", [] { load_text(kSmall + "#" + std::string(1 << 20, 'x')); }},
        Guarded{"F39ByteOrderMark", "guard.skip_text", [] { load_text("\xEF\xBB\xBF" + kSmall); }},
        Guarded{"F39Binary", "guard.skip_text", [] { load_text(kSmall + "#\x01\n"); }},
        Guarded{"F40UnknownKey", "guard.skip_unknown", [] { load_text(kSmall + "optim: {lrr: 3}\n"); }},
        Guarded{"F40DuplicateKey", "guard.skip_duplicate",
                [] { load_text(kSmall + "optim: {lr: 3, lr: 4}\n"); }},
        Guarded{"F40Range", "guard.skip_range", [] { load_text("train: {steps: 10, threads: 0}\n"); }},
        Guarded{"F41LineBreak", "guard.skip_line_break",
                [] { load_text(kSmall, {"optim={lr: 1,\n eps: 1}"}); }}),
    [](const auto& info) { return info.param.name; });

#endif

}  // namespace
}  // namespace lockstep
