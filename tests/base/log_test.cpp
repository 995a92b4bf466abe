// SPDX-License-Identifier: Apache-2.0
#include "lockstep/base/log.h"

#include <gtest/gtest.h>

#include "lockstep/base/error.h"
#include "support/temp_dir.h"

namespace lockstep {
namespace {

TEST(Printable, LeavesTextAndUtf8Alone) {
  EXPECT_EQ(printable(""), "");
  EXPECT_EQ(printable("Größe ≤ 1 🚀"), "Größe ≤ 1 🚀");
}

TEST(Printable, EscapesControlBytes) {
  EXPECT_EQ(printable("\x1b[31mred\r\t\x7f"), "\\x1b[31mred\\x0d\\x09\\x7f");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
}

// A name out of a file must not begin a line of a log, nor a cell of a table.
TEST(Printable, EscapesWhatEndsALine) {
  EXPECT_EQ(printable("name\n12:00:00 error: forged"), "name\\x0a12:00:00 error: forged");
  EXPECT_EQ(printable("a\u2028b\u2029c"), "a\\xe2\\x80\\xa8b\\xe2\\x80\\xa9c");
}

TEST(Printable, EscapesWhatDrivesATerminalOrHidesText) {
  EXPECT_EQ(printable("\u009b31mred"), "\\xc2\\x9b31mred");         // a control sequence of one character
  EXPECT_EQ(printable("\u202egnp.exe"), "\\xe2\\x80\\xaegnp.exe");  // right to left from here
  EXPECT_EQ(printable("w\u200b w\ufeff"), "w\\xe2\\x80\\x8b w\\xef\\xbb\\xbf");  // zero width
  // Letters that look like others are letters.
  EXPECT_EQ(printable("\u0430dam"), "\u0430dam");
}

TEST(Printable, EscapesBrokenUtf8ByteByByte) {
  EXPECT_EQ(printable("\xc0\x8a"), "\\xc0\\x8a");                    // an overlong line feed
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");           // a surrogate
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");  // beyond the last character
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
  ASSERT_TRUE(flush_log(std::chrono::seconds(10)));
  const std::string text = testing::read_file(folder / "log");
  configure_log({});
  EXPECT_EQ(text.find("not this"), std::string::npos);
  EXPECT_NE(text.find(" [rank 3] step 5\n"), std::string::npos) << text;
  EXPECT_NE(text.find("[rank 3] warning: name \\x1b[2K forged\n"), std::string::npos) << text;
}

TEST(Log, StandardErrorGetsOneShapeWithoutTimes) {
  configure_log({});
  ::testing::internal::CaptureStderr();
  log_info("step {}", 5);
  log_warning("disk");
  log_error("fact. remedy");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "lockstep: step 5\nlockstep: warning: disk\nlockstep: error: fact. remedy\n");
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
