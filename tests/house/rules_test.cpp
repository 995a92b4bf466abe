// SPDX-License-Identifier: Apache-2.0
// Each rule is shown a tree that keeps it and one that breaks it: a rule that finds nothing holds nothing.
#include "house/rules.h"

#include <gtest/gtest.h>

#include <utility>

namespace lockstep::house {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;
using Rule = Violations (*)(const Tree&);

Tree tree_of(const Files& files) {
  Tree tree;
  for (const auto& [path, text] : files) tree.push_back(make_file(path, text));
  return tree;
}

// "file:line" of all that the rule finds.
std::string places(Rule rule, const Files& files) {
  std::string text;
  for (const Violation& one : rule(tree_of(files))) text += one.file + ":" + std::to_string(one.line) + " ";
  return text;
}

std::string repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::string function_of(int lines) {
  return "void f() {\n" + repeat("  g();\n", lines - 2) + "}\n";
}

TEST(LayerRules, AModuleMayIncludeOnlyLowerOnes) {
  const Files lower = {{"src/base/a.h", ""}, {"include/lockstep/comm/b.h", ""}, {"src/data/options.h", ""}};
  const auto with = [&](const std::string& path, const std::string& text) {
    Files files = lower;
    files.emplace_back(path, text);
    return places(modules_include_only_lower_ones, files);
  };
  EXPECT_EQ(with("src/comm/x.cpp", "#include \"base/a.h\"\n#include \"lockstep/comm/b.h\"\n"), "");
  EXPECT_EQ(with("src/config/x.cpp", "#include \"data/options.h\"\n"), "");
  EXPECT_EQ(with("src/data/x.cpp", "\n#include \"lockstep/comm/b.h\"\n"), "src/data/x.cpp:2 ");
  EXPECT_EQ(with("src/config/x.cpp", "#include \"lockstep/comm/b.h\"\n"), "src/config/x.cpp:1 ");
  EXPECT_EQ(with("src/base/x.cpp", "#include \"base/gone.h\"\n"), "src/base/x.cpp:1 ");
  EXPECT_EQ(with("src/util/x.cpp", ""), "src/util/x.cpp:1 ");
  EXPECT_EQ(with("src/main.cpp", "#include \"base/a.h\"\n"), "src/main.cpp:1 ");
}

TEST(LayerRules, TheArchitecturePageHasTheTable) {
  std::string page;
  for (const Violation& one : architecture_page_has_the_layers(tree_of({{"docs/architecture.md", "\n"}})))
    page += one.what.substr(8, one.what.rfind('"') - 8) + "\n";
  EXPECT_NE(page.find("| parallel | … | base, comm, memory, optim, tensors |\n"), std::string::npos) << page;
  EXPECT_EQ(places(architecture_page_has_the_layers, {{"docs/architecture.md", page}}), "");
  page.replace(page.find("base, comm, memory, optim, tensors |"), 4, "main");
  EXPECT_EQ(places(architecture_page_has_the_layers, {{"docs/architecture.md", page}}),
            "docs/architecture.md:1 ");
}

TEST(LayerRules, LibrariesStayInTheirFolders) {
  const auto with = [](const std::string& path, const std::string& header) {
    return places(libraries_stay_in_their_folders, {{path, "#include <" + header + ">\n"}});
  };
  EXPECT_EQ(with("src/comm/mpi/x.h", "mpi.h"), "");
  EXPECT_EQ(with("src/comm/x.h", "mpi.h"), "src/comm/x.h:1 ");
  EXPECT_EQ(with("src/comm/nccl/x.h", "nccl.h"), "");
  EXPECT_EQ(with("src/train/x.h", "nccl.h"), "src/train/x.h:1 ");
  EXPECT_EQ(with("src/train/cuda/x.h", "c10/cuda/CUDAStream.h"), "");
  EXPECT_EQ(with("src/train/x.h", "c10/cuda/CUDAStream.h"), "src/train/x.h:1 ");
  EXPECT_EQ(with("src/hdf5/x.h", "hdf5.h"), "");
  EXPECT_EQ(with("src/checkpoint/x.h", "hdf5.h"), "src/checkpoint/x.h:1 ");
  EXPECT_EQ(with("src/config/x.h", "yaml-cpp/yaml.h"), "");
  EXPECT_EQ(with("src/cli/x.h", "yaml-cpp/yaml.h"), "src/cli/x.h:1 ");
  EXPECT_EQ(with("src/models/x.h", "torch/torch.h"), "");
  EXPECT_EQ(with("src/checkpoint/x.h", "torch/torch.h"), "src/checkpoint/x.h:1 ");
  EXPECT_EQ(with("src/train/x.h", "CLI/CLI.hpp"), "src/train/x.h:1 ");
  EXPECT_EQ(with("src/base/x.h", "nlohmann/json.hpp"), "src/base/x.h:1 ");
  EXPECT_EQ(with("src/comm/x.h", "spdlog/spdlog.h"), "src/comm/x.h:1 ");
}

TEST(LayerRules, TorchIsNotReachedFromBelowThroughAnotherHeader) {
  const Files files = {{"include/lockstep/models/options.h", "#include <torch/torch.h>\n"},
                       {"src/config/x.cpp", "#include \"config/y.h\"\n"},
                       {"src/config/y.h", "#include \"lockstep/models/options.h\"\n"}};
  EXPECT_EQ(places(torch_is_not_reached_from_below, files), "src/config/x.cpp:1 src/config/y.h:1 ");
  EXPECT_EQ(places(torch_is_not_reached_from_below, {{"src/models/x.h", "#include <torch/torch.h>\n"}}), "");
}

TEST(LayerRules, PublicHeadersAreFewAndClean) {
  EXPECT_EQ(places(public_headers_are_few_and_clean, {{"include/lockstep/base/a.h", "#include <vector>\n"}}),
            "");
  EXPECT_EQ(places(public_headers_are_few_and_clean, {{"include/lockstep/comm/a.h", "#include <mpi.h>\n"}}),
            "include/lockstep/comm/a.h:1 ");
  EXPECT_EQ(places(public_headers_are_few_and_clean,
                   {{"include/lockstep/comm/a.h", "#include \"comm/b.h\"\n"}, {"src/comm/b.h", ""}}),
            "include/lockstep/comm/a.h:1 ");
  Files many;
  for (int i = 0; i < 41; ++i) many.emplace_back("include/lockstep/base/h" + std::to_string(i) + ".h", "");
  EXPECT_EQ(places(public_headers_are_few_and_clean, many), "include/lockstep:1 ");
}

TEST(LayerRules, NoTwoFoldersIncludeEachOther) {
  Files files = {{"src/data/a.cpp", "#include \"data/formats/b.h\"\n"}, {"src/data/formats/b.h", ""}};
  EXPECT_EQ(places(no_two_folders_include_each_other, files), "");
  files.emplace_back("include/lockstep/data/c.h", "");
  files.emplace_back("src/data/formats/b.cpp", "#include \"lockstep/data/c.h\"\n");
  EXPECT_EQ(places(no_two_folders_include_each_other, files), "src/data/a.cpp:1 ");
}

TEST(LayerRules, IncludeDepthIsSmall) {
  Files files;
  for (int i = 0; i <= 8; ++i)
    files.emplace_back("src/base/h" + std::to_string(i) + ".h",
                       i == 0 ? "" : "#include \"base/h" + std::to_string(i - 1) + ".h\"\n");
  EXPECT_EQ(places(include_depth_is_small, files), "");
  files.emplace_back("src/base/x.cpp", "#include \"base/h8.h\"\n");
  EXPECT_EQ(places(include_depth_is_small, files), "src/base/x.cpp:1 ");
  EXPECT_NE(places(include_depth_is_small, {{"src/base/a.h", "#include \"base/a.h\"\n"}}), "");
}

TEST(LayerRules, TheEnvironmentIsReadInOneFile) {
  const std::string text = "// getenv is fine here\nauto a = std::getenv(\"A\");\n";
  EXPECT_EQ(places(environment_is_read_in_one_file, {{"src/config/environment.cpp", text}}), "");
  EXPECT_EQ(places(environment_is_read_in_one_file, {{"src/config/load.cpp", text}}),
            "src/config/load.cpp:2 ");
}

TEST(LayerRules, ThreadsAreAskedForInOneFile) {
  const std::string text = "void f() { at::parallel_for(0, 1, 1, g); }\n";
  EXPECT_EQ(places(threads_are_asked_for_in_one_file, {{"src/tensors/in_parallel.cpp", text}}), "");
  EXPECT_EQ(places(threads_are_asked_for_in_one_file, {{"src/optim/x.cpp", text}}), "src/optim/x.cpp:1 ");
}

TEST(LayerRules, LibrariesDoNotPrint) {
  const std::string text = "void f() { std::cout << 1; }\n";
  EXPECT_EQ(places(libraries_do_not_print, {{"src/cli/x.cpp", text}}), "");
  EXPECT_EQ(places(libraries_do_not_print, {{"src/data/x.cpp", text}}), "src/data/x.cpp:1 ");
}

TEST(SizeRules, FilesAreShort) {
  EXPECT_EQ(places(files_are_short, {{"src/base/x.cpp", repeat("\n", 120)}}), "");
  EXPECT_EQ(places(files_are_short, {{"src/base/x.cpp", repeat("\n", 121)}}), "src/base/x.cpp:1 ");
  Files many;
  for (int i = 0; i < 19; ++i) many.emplace_back("src/base/x" + std::to_string(i) + ".cpp", "\n");
  many.emplace_back("src/base/long.cpp", repeat("\n", 500));
  EXPECT_EQ(places(files_are_short, many), "");
  many.back().second += "\n";
  EXPECT_EQ(places(files_are_short, many), "src/base/long.cpp:501 ");
  many[0].second = repeat("\n", 351);
  many.back().second = repeat("\n", 351);
  EXPECT_EQ(places(files_are_short, many).substr(0, 18), "src/base/x0.cpp:1 ");
}

TEST(SizeRules, FunctionsAreShort) {
  const std::string short_ones = repeat("void g() {}\n", 30);
  EXPECT_EQ(places(functions_are_short, {{"src/base/x.cpp", short_ones + function_of(70)}}), "");
  EXPECT_EQ(places(functions_are_short, {{"src/base/x.cpp", short_ones + function_of(71)}}),
            "src/base/x.cpp:31 ");
  EXPECT_EQ(places(functions_are_short, {{"src/base/x.cpp", function_of(41)}}), "src/base/x.cpp:1 ");
  EXPECT_EQ(places(functions_are_short, {{"src/base/x.cpp", "void f() {\n"}}), "src/base/x.cpp:1 ");
}

TEST(SizeRules, MainAndTheStoryAreShorter) {
  const std::string short_ones = repeat("void g() {}\n", 30);
  const auto named = [&](const std::string& name, int lines) {
    return short_ones + name + "() {\n" + repeat("  g();\n", lines - 2) + "}\n";
  };
  EXPECT_EQ(places(functions_are_short, {{"src/main.cpp", named("int main", 20)}}), "");
  EXPECT_EQ(places(functions_are_short, {{"src/main.cpp", named("int main", 21)}}), "src/main.cpp:31 ");
  EXPECT_EQ(places(functions_are_short, {{"src/cli/train_command.cpp", named("int train_command", 45)}}), "");
  EXPECT_EQ(places(functions_are_short, {{"src/cli/train_command.cpp", named("int train_command", 46)}}),
            "src/cli/train_command.cpp:31 ");
  EXPECT_EQ(places(functions_are_short, {{"src/cli/train_command.cpp", named("int renamed", 45)}}),
            "src/cli/train_command.cpp:1 ");
}

TEST(SizeRules, ParametersAreFew) {
  EXPECT_EQ(places(parameters_are_few, {{"src/base/x.h", "void f(int a, int b, int c, int d);\n"}}), "");
  EXPECT_EQ(places(parameters_are_few, {{"src/base/x.h", "\nvoid f(int a, int b, int c, int d, int e);\n"}}),
            "src/base/x.h:2 ");
}

TEST(SizeRules, BoolsAreFew) {
  EXPECT_EQ(places(bools_are_few, {{"src/base/x.h", "struct A {\n  bool a;\n  bool b = false;\n};\n"}}), "");
  EXPECT_EQ(places(bools_are_few, {{"src/base/x.h", "struct A {\n  bool a, b;\n  bool c = false;\n};\n"}}),
            "src/base/x.h:1 ");
}

TEST(SizeRules, ClassesAreShort) {
  const auto of = [](int lines) { return "struct A {\n" + repeat("  int f();\n", lines - 2) + "};\n"; };
  EXPECT_EQ(places(classes_are_short, {{"src/base/x.h", of(150)}}), "");
  EXPECT_EQ(places(classes_are_short, {{"src/base/x.h", "\n" + of(151)}}), "src/base/x.h:2 ");
  EXPECT_EQ(places(classes_are_short, {{"src/base/x.cpp", "namespace {\n" + of(151) + "}\n"}}),
            "src/base/x.cpp:2 ");
}

TEST(SizeRules, RoomsAreSmall) {
  Files rooms;
  for (const std::string room : {"base", "comm", "data", "optim", "train"})
    rooms.emplace_back("src/" + room + "/x.cpp", repeat("\n", 100));
  EXPECT_EQ(places(rooms_are_small, rooms), "");
  // What others may include is part of the room.
  rooms.emplace_back("include/lockstep/data/x.h", repeat("\n", 30));
  EXPECT_EQ(places(rooms_are_small, rooms), "src/data:1 ");
}

TEST(NameRules, ANameIsDefinedOnce) {
  const auto with = [](const std::string& other) {
    return places(a_name_is_defined_once,
                  {{"src/base/a.h", "namespace lockstep {\nenum class Verdict { kGood };\n}\n"},
                   {"src/comm/b.cpp", "namespace lockstep {\n" + other + "\n}\n"}});
  };
  EXPECT_EQ(with("class Verdict;\nclass Judge {};"), "");
  EXPECT_EQ(with("template <>\nstruct Words<Verdict> {};"), "");
  for (const std::string other :
       {"struct Verdict {};", "enum class Verdict : int { kBad };", "using Verdict = int;",
        "namespace watch {\nclass Verdict final {};\n}", "namespace {\nstruct Verdict {};\n}",
        "class Judge {\nstruct Verdict {};\n};", "struct Judge::Verdict {};"})
    EXPECT_NE(with(other), "") << other;
  // What only one class or one file knows may have the name of what another knows.
  EXPECT_EQ(places(a_name_is_defined_once, {{"src/base/a.h", "class A {\n  struct Parts {};\n};\n"},
                                            {"src/base/b.h", "class B {\n  struct Parts {};\n};\n"},
                                            {"src/base/c.cpp", "namespace {\nstruct Parts {};\n}\n"}}),
            "");
}

TEST(NameRules, FunctionsAreDefinedWhereDeclared) {
  const std::string declared = "namespace lockstep {\nint f(int a);\nclass A {\n  void g();\n};\n}\n";
  const std::string defined = "namespace lockstep {\nint f(int a) { return a; }\nvoid A::g() {}\n}\n";
  const auto in = [&](const std::string& source, const std::string& other_header) {
    return places(functions_are_defined_where_declared,
                  {{"include/lockstep/comm/a.h", declared}, {source, defined}, {other_header, "\n"}});
  };
  EXPECT_EQ(in("src/comm/a.cpp", "src/comm/b.h"), "");
  EXPECT_EQ(in("src/comm/b.cpp", "src/comm/c.h"), "");  // a source without header of its own
  EXPECT_EQ(in("src/comm/mpi/b.cpp", "src/comm/mpi/b.h"), "");
  EXPECT_EQ(in("src/comm/b.cpp", "src/comm/b.h"), "include/lockstep/comm/a.h:4 include/lockstep/comm/a.h:2 ");
  EXPECT_EQ(in("src/data/b.cpp", "src/data/b.h"), "include/lockstep/comm/a.h:4 include/lockstep/comm/a.h:2 ");
}

TEST(SizeRules, CommentSharesAreSane) {
  const Files sane = {{"src/base/x.h", "// a\nint b;\n"}, {"src/base/x.cpp", "// a\n" + repeat("f();\n", 9)}};
  EXPECT_EQ(places(comment_shares_are_sane, sane), "");
  Files files = sane;
  files[0].second += "// b\n";
  EXPECT_EQ(places(comment_shares_are_sane, files), "src and include:1 ");
  files = sane;
  files[1].second += repeat("f();\n", 11);
  EXPECT_EQ(places(comment_shares_are_sane, files), "src and include:1 ");
}

TEST(SizeRules, ConditionalCodeIsRare) {
  const std::string one = "#ifdef A\n#endif\n";
  EXPECT_EQ(places(conditional_code_is_rare, {{"src/base/x.cpp", one + repeat("\n", 998)}}), "");
  EXPECT_EQ(places(conditional_code_is_rare, {{"src/base/x.cpp", one + repeat("\n", 997)}}),
            "src/base/x.cpp:1 ");
  EXPECT_EQ(places(conditional_code_is_rare, {{"src/comm/nccl/x.cpp", one}}), "");
}

TEST(TextRules, FilesNameTheirLicense) {
  const std::string license = std::string("SPDX-License-Identifier") + ": Apache-2.0\n";
  EXPECT_EQ(
      places(files_name_their_license, {{"src/base/x.h", "// " + license}, {"launch/x", "#!\n# " + license}}),
      "");
  EXPECT_EQ(places(files_name_their_license, {{"src/base/x.h", "\n// " + license}}), "src/base/x.h:1 ");
  EXPECT_EQ(places(files_name_their_license, {{"launch/x", "echo\n"}, {"tests/CMakeLists.txt", ""}}),
            "launch/x:1 tests/CMakeLists.txt:1 ");
}

TEST(TextRules, HeadersGuardThemselves) {
  EXPECT_EQ(places(headers_guard_themselves, {{"tests/x.h", "#pragma once\n"}, {"src/base/x.cpp", "\n"}}),
            "");
  EXPECT_EQ(places(headers_guard_themselves, {{"tests/x.h", "// #pragma once\n"}}), "tests/x.h:1 ");
}

TEST(TextRules, OpenWorkHasANumber) {
  const std::string open = std::string("TO") + "DO";
  EXPECT_EQ(places(open_work_has_a_number,
                   {{"src/base/x.cpp", "// " + open + "(#12): shorter\nint " + open + ";\n"}}),
            "");
  EXPECT_EQ(places(open_work_has_a_number, {{"src/base/x.cpp", "\n// " + open + ": shorter\n"}}),
            "src/base/x.cpp:2 ");
  EXPECT_EQ(places(open_work_has_a_number, {{"launch/x", "true # " + open + "\n"}}), "launch/x:1 ");
}

TEST(TextRules, NoPathOfOneMachine) {
  EXPECT_EQ(places(no_path_of_one_machine, {{"docs/x.md", "build/work/a, ${x}/root/a and /usr/bin\n"}}), "");
  for (const std::string folder : {"work", "root", "home/me"})
    EXPECT_EQ(places(no_path_of_one_machine, {{"docs/x.md", "\ncd /" + folder + "/a\n"}}), "docs/x.md:2 ");
}

TEST(TextRules, NoCodeIsCommentedOut) {
  EXPECT_EQ(places(no_code_is_commented_out,
                   {{"src/base/x.cpp",
                     "// The disk is asked first (see f());\n// then return to the loop;\n//   f(a);\n"}}),
            "");
  for (const std::string line :
       {"f(a, b);", "a.b->c();", "return 0;", "#include <map>", "int a = 3;", "if (a) {", "}"})
    EXPECT_EQ(places(no_code_is_commented_out, {{"src/base/x.cpp", "// " + line + "\n"}}),
              "src/base/x.cpp:1 ")
        << line;
}

TEST(TextRules, NoPipeEndsInAQuietGrep) {
  const std::string shell = "#!/usr/bin/env bash\n";
  EXPECT_EQ(places(no_pipe_ends_in_a_quiet_grep,
                   {{"launch/a", shell + "grep -q x file || f | grep -c q\nf | grep quick\n"},
                    {"docs/a.md", "f | grep -q x\n"}}),
            "");
  for (const std::string line :
       {"f | grep -q x", "! f|grep -Eqx x", "f | egrep -i -q x", "f | grep --quiet x"})
    EXPECT_EQ(places(no_pipe_ends_in_a_quiet_grep, {{"launch/a", shell + line + "\n"}}), "launch/a:2 ")
        << line;
}

TEST(TextRules, LinksLeadSomewhere) {
  const Files files = {{"docs/a.md", "[b](b.md#x) [c](../c.md) [d](d/) [web](https://a.b/c)\n"},
                       {"docs/b.md", ""},
                       {"c.md", ""},
                       {"docs/d/e.md", "\n[a](../a.md) [gone](a.md) [](const int& x) {}\n"}};
  EXPECT_EQ(places(links_lead_somewhere, files), "docs/d/e.md:2 ");
}

TEST(Percentile, IsByNearestRank) {
  EXPECT_EQ(percentile({}, 95), 0);
  EXPECT_EQ(percentile({5, 1, 3}, 50), 3);
  EXPECT_EQ(percentile({1, 2, 3, 4}, 50), 2);
  EXPECT_EQ(percentile({1, 2, 3, 4}, 95), 4);
}

}  // namespace
}  // namespace lockstep::house
