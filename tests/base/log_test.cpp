// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/log.h"

#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

TEST(Printable, LeavesTextAndUtf8Alone) {
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable("two\nlines of text"), "two\nlines of text");
  EXPECT_EQ(printable("Größe ≤ 1 🚀"), "Größe ≤ 1 🚀");
}

TEST(Printable, EscapesControlBytes) {
  EXPECT_EQ(printable("\x1b[31mred\r\t\x7f"), "\\x1b[31mred\\x0d\\x09\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
}

TEST(Printable, EscapesBrokenUtf8ByteByByte) {
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("\x80x"), "\\x80x");
  EXPECT_EQ(printable("\xe2\x89"), "\\xe2\\x89");  // ends inside a sequence
  EXPECT_EQ(printable("\xc3("), "\\xc3(");         // a lead without its continuation
}

TEST(Log, FileGetsEveryLineFromItsLevelUp) {
  const testing::TempDir folder;
  configure_log({.prefix = "[rank 3] ", .file = folder / "log", .to_stderr = false});
  log_debug("not {}", "this");
  log_info("step {}", 5);
  log_warning("name \x1b[2K forged");
  const std::string text = testing::read_file(folder / "log");
  configure_log({});
  EXPECT_EQ(text.find("not this"), std::string::npos);
  EXPECT_NE(text.find(" [rank 3] step 5\n"), std::string::npos) << text;
  EXPECT_NE(text.find("[rank 3] warning: name \\x1b[2K forged\n"), std::string::npos) << text;
}

TEST(Log, FileThatCannotBeOpenedIsAFault) {
  const testing::TempDir folder;
  testing::write_file(folder / "file", "");
  try {
    configure_log({.prefix = "", .file = folder / "file/log", .to_stderr = false});
    FAIL() << "opened";
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kRunDirectory);
    EXPECT_NE(fault.fact().find(folder / "file/log"), std::string::npos);
    EXPECT_FALSE(fault.remedy().empty());
  }
}

}  // namespace
}  // namespace lockstep
