// SPDX-License-Identifier: Apache-2.0
#include "house/source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "house/shape.h"

namespace lockstep::house {
namespace {

using ::testing::ElementsAre;

File cpp(const std::string& text) {
  return make_file("src/base/x.cpp", text);
}

std::vector<std::string> code_of(const File& file) {
  std::vector<std::string> code;
  for (const Line& line : file.lines) code.push_back(line.code);
  return code;
}

// "name lines parameters" of each function.
std::vector<std::string> functions_in(const std::string& text) {
  std::vector<std::string> found;
  const Shape shape = shape_of(cpp(text));
  EXPECT_TRUE(shape.balanced) << text;
  for (const Function& one : shape.functions)
    found.push_back(one.name + " " + std::to_string(one.lines) + " " + std::to_string(one.parameters));
  return found;
}

int bools_in(const std::string& text) {
  const Shape shape = shape_of(cpp(text));
  EXPECT_EQ(shape.classes.size(), 1u) << text;
  return shape.classes.empty() ? -1 : shape.classes[0].bools;
}

TEST(Source, TakesCommentsAndLiteralsOutOfTheCode) {
  EXPECT_THAT(code_of(cpp("a(); // b {\nc /* d\ne */ f;\n")), ElementsAre("a(); ", "c ", " f;"));
  EXPECT_THAT(code_of(cpp("a(\"{ \\\" //\", '}', '\\'');\n")), ElementsAre("a(\"\", '', '');"));
  EXPECT_THAT(code_of(cpp("a(R\"x({\n\")x\");\n")), ElementsAre("a(R\"\"", ");"));
  EXPECT_THAT(code_of(cpp("int a = 1'000'000;\n")), ElementsAre("int a = 1'000'000;"));
}

TEST(Source, KeepsCommentsAndDirectivesApart) {
  const File file = cpp("#define A(x) \\\n  {x\nint b;  // why\n");
  EXPECT_TRUE(file.lines[0].directive);
  EXPECT_TRUE(file.lines[1].directive);
  EXPECT_FALSE(file.lines[2].directive);
  EXPECT_EQ(file.lines[2].comment, " why");
}

TEST(Source, FindsIncludes) {
  const auto found = includes_of(cpp("#include <vector>\n// #include <map>\n#include \"a/b.h\"  // why\n"));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].name, "vector");
  EXPECT_FALSE(found[0].quoted);
  EXPECT_EQ(found[1].name, "a/b.h");
  EXPECT_TRUE(found[1].quoted);
  EXPECT_EQ(found[1].line, 3);
}

TEST(Shape, MeasuresFunctionsFromTheirFirstLineToTheirLast) {
  EXPECT_THAT(functions_in("namespace a {\nint f(int x) {\n  return x;\n}\n}\n"), ElementsAre("f 3 1"));
  EXPECT_THAT(
      functions_in("template <class T>\nstd::map<int, T>\nA::b(std::map<int, T> m, int n) const {\n}\n"),
      ElementsAre("A::b 4 2"));
  EXPECT_THAT(functions_in("void f(void) noexcept;\nvoid g();\n"), ElementsAre("f 0 0", "g 0 0"));
}

TEST(Shape, TellsBodiesFromInitialisers) {
  EXPECT_THAT(functions_in("A::A(int x) : x_{x}, y_(1), z_{[] { return 1; }()} {\n  f();\n}\n"),
              ElementsAre("A::A 3 1"));
  EXPECT_THAT(functions_in("const int a{3};\nconst std::array b = {1, 2};\nauto c = f(1, [] { g(); });\n"),
              ElementsAre());
  EXPECT_THAT(functions_in("struct A {\n  int x{0};\n  A() : x(1) {}\n  ~A();\n};\n"),
              ElementsAre("A 1 0", "~A 0 0"));
  EXPECT_THAT(functions_in("void f(std::function<void(int, int)> g = {}, int n = 2) {\n}\n"),
              ElementsAre("f 2 2"));
}

TEST(Shape, KnowsOperatorsAndWhatIsNoFunction) {
  EXPECT_THAT(functions_in(
                  "bool operator==(const A&) const = default;\nint operator()(int a, int b) { return a; }\n"),
              ElementsAre("operator== 0 1", "operator() 1 2"));
  EXPECT_THAT(
      functions_in("using F = void (*)(int);\nstatic_assert(sizeof(int) == 4);\nenum class E { kA = 1 };\n"),
      ElementsAre());
  EXPECT_THAT(
      functions_in("void f() {\n  auto g = [](int a) { return a; };\n  struct B { void h() {} };\n}\n"),
      ElementsAre("f 4 0"));
}

TEST(Shape, CountsBoolMembers) {
  EXPECT_EQ(bools_in("class A {\n public:\n  bool f() const;\n private:\n  bool a_ = f(), b_{true};\n};\n"),
            2);
  EXPECT_EQ(
      bools_in(
          "struct A {\n  mutable bool a;\n  std::atomic<bool> b{false};\n  static bool c;\n  int d;\n};\n"),
      2);
}

TEST(Shape, SaysWhenBracesDoNotMatch) {
  EXPECT_FALSE(shape_of(cpp("void f() {\n")).balanced);
  EXPECT_FALSE(shape_of(cpp("namespace a {\n")).balanced);
  EXPECT_FALSE(shape_of(cpp("}\nvoid f() {}\n")).balanced);
}

}  // namespace
}  // namespace lockstep::house
