// SPDX-License-Identifier: Apache-2.0
#include "config/yaml_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "message.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

const Origin kFile{"run.yaml", "", true};

std::string refusal(const std::string& text) {
  return message_of([&] { parse_yaml(text, kFile); }, ExitCode::kConfig);
}

TEST(YamlText, KeepsLineAndColumnOfEveryValue) {
  const ConfigNode root = parse_yaml("optim:\n  type: sgd\n  lr: 0.1\n", kFile);
  ASSERT_EQ(root.keys, std::vector<std::string>{"optim"});
  const ConfigNode& optim = root.items[0];
  EXPECT_EQ(optim.keys, (std::vector<std::string>{"type", "lr"}));
  EXPECT_EQ(optim.key_at[1].line, 3);
  EXPECT_EQ(optim.key_at[1].column, 3);
  EXPECT_EQ(optim.items[1].text, "0.1");
}

TEST(YamlText, TellsQuotedTextFromAPlainWord) {
  const ConfigNode root = parse_yaml("a: 3\nb: \"3\"\nc: '3'\n", kFile);
  EXPECT_FALSE(root.items[0].quoted);
  EXPECT_TRUE(root.items[1].quoted);
  EXPECT_TRUE(root.items[2].quoted);
}

TEST(YamlText, ReadsAnEmptyFileAsNothing) {
  EXPECT_EQ(parse_yaml("", kFile).kind, ConfigNode::Kind::kNull);
  EXPECT_EQ(parse_yaml("# only a comment\n", kFile).kind, ConfigNode::Kind::kNull);
}

struct Hostile {
  const char* name;
  std::string text;
  const char* says;

  friend void PrintTo(const Hostile& one, std::ostream* out) { *out << one.name; }
};

class HostileYaml : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileYaml, IsRefusedWithItsPlaceInNoTime) {
  const auto begin = std::chrono::steady_clock::now();
  const std::string message = refusal(GetParam().text);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  EXPECT_THAT(message, StartsWith("run.yaml:"));
  EXPECT_THAT(message, HasSubstr(GetParam().says));
}

std::string repeated(const std::string& piece, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += piece;
  return text;
}

std::string alias_bomb() {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int level = 1; level < 9; ++level) {
    const std::string below = "*a" + std::to_string(level - 1);
    text += "a" + std::to_string(level) + ": &a" + std::to_string(level) + " [" + repeated(below + ", ", 8) +
            below + "]\n";
  }
  return text;
}

// 65 levels in block style, where no bracket gives it away.
std::string deep_blocks() {
  std::string text;
  for (int depth = 0; depth < 70; ++depth) text += std::string(depth, ' ') + "a:\n";
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    Corpus, HostileYaml,
    ::testing::Values(
        Hostile{"AliasBomb", alias_bomb(), "run.yaml:1:5: an anchor (&a0)"},
        Hostile{"SelfReference", "a: &a [*a]\n", "run.yaml:1:4: an anchor"},
        Hostile{"UndefinedAlias", "a: *nobody\n", "run.yaml:1:4:"},
        Hostile{"MergeKey", "base: {lr: 1}\noptim:\n  <<: {lr: 2}\n", "run.yaml:3:3: a merge key"},
        Hostile{"DuplicateKey", "optim:\n  lr: 1\n  type: sgd\n  lr: 2\n",
                "run.yaml:4:3: lr: duplicate key. It was first given in line 2"},
        Hostile{"DuplicateSection", "run: {seed: 1}\nrun: {seed: 2}\n", "run.yaml:2:1: run: duplicate key"},
        Hostile{"DuplicateByEscape", "run:\n  seed: 1\n  \"s\\x65ed\": 2\n",
                "run.yaml:3:3: seed: duplicate key"},
        Hostile{"DeepLists", "a: " + repeated("[", 65) + repeated("]", 65), "nested more than 64 deep"},
        Hostile{"DeepBlocks", deep_blocks(), "nested more than 64 deep"},
        Hostile{"EndlessLists", repeated("[", 1 << 20), "Is a bracket left open?"},
        Hostile{"EndlessMaps", repeated("{a: ", 1 << 18), "Is a bracket left open?"},
        Hostile{"EndlessDashes", repeated("- ", 1 << 19), "nested more than 64 deep"},
        Hostile{"TooManyValues", "a: [" + repeated("1,", 100'001) + "1]", "more than 100000 values"},
        Hostile{"TooManyBytes", "#" + std::string(1 << 20, 'x'), "run.yaml:1:1: more than 1048576 bytes"},
        Hostile{"NulByte", std::string("run:\n  a\0b: 1\n", 14), "run.yaml:2:4: a control byte (0x00)"},
        Hostile{"Escape", "run: \x1b[31m\n", "run.yaml:1:6: a control byte (0x1b)"},
        Hostile{"BrokenUtf8", "run: \xC0\xAF\n", "run.yaml:1:6: a byte (0xc0) that is not UTF-8"},
        Hostile{"Surrogate", "run: \xED\xA0\x80\n", "not UTF-8"},
        Hostile{"CutUtf8", "run: \xE2\x82", "not UTF-8"},
        Hostile{"ElfFile",
                std::string("\x7f"
                            "ELF\x02\x01\x01\0\0\0",
                            10),
                "run.yaml:1:1: a control byte (0x7f)"},
        Hostile{"Utf8Mark", "\xEF\xBB\xBFrun: {}\n", "run.yaml:1:1: a byte order mark"},
        Hostile{"Utf16Mark", std::string("\xFF\xFEr\0u\0n\0", 8), "run.yaml:1:1: a byte order mark"},
        Hostile{"TabAsIndent", "run:\n\tseed: 1\n", "run.yaml:2:1: a tab in the indentation"},
        Hostile{"TabAfterSpace", "run:\n \tseed: 1\n", "run.yaml:2:2: a tab in the indentation"},
        Hostile{"SecondDocument", "run: {}\n---\nrun: {}\n", "a second document"},
        Hostile{"SecondValue", "[1] 2\n", "a second document"},
        Hostile{"Tag", "run: {seed: !!int 3}\n", "run.yaml:1:13: a tag"},
        Hostile{"MapTag", "run: !!python/object {a: 1}\n", "a tag"},
        Hostile{"ListAsKey", "? [a, b]\n: 1\n", "run.yaml:1:3: a list or map where a key should be"},
        Hostile{"NullKey", "~: 1\n", "a key is missing"}, Hostile{"OpenBracket", "a: {b: 1\n", "not YAML"},
        Hostile{"BadEscape", "a: \"\\q\"\n", "run.yaml:1:"}),
    [](const auto& info) { return info.param.name; });

TEST(YamlText, AcceptsSixtyFourLevelsAndAHundredThousandValues) {
  EXPECT_NO_THROW(parse_yaml("a: " + repeated("[", 63) + repeated("]", 63), kFile));
  EXPECT_EQ(parse_yaml("a: [" + repeated("1,", 90'000) + "1]", kFile).items[0].items.size(), 90'001u);
}

TEST(YamlText, SurvivesEveryPrefixAndEveryFlippedByteOfAConfig) {
  const std::string good =
      "version: 1\nrun: {name: \"a\\tb\", seed: 7}\nmodel:\n  hidden:\n    - 1\n    - 2\n# é\nx: |\n  "
      "block\n  text\n";
  int refused = 0;
  const auto attempt = [&](const std::string& text) {
    try {
      parse_yaml(text, kFile);
    } catch (const Fault& fault) {
      EXPECT_EQ(fault.code(), ExitCode::kConfig);
      ++refused;
    }
  };
  for (std::size_t length = 0; length <= good.size(); ++length) attempt(good.substr(0, length));
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int flip = 1; flip < 256; ++flip) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      attempt(bad);
    }
  EXPECT_GT(refused, 5000);
}

}  // namespace
}  // namespace lockstep
