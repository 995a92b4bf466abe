// SPDX-License-Identifier: Apache-2.0
// The rules over the tree this test was built from.
#include <gtest/gtest.h>

#include "house/rules.h"
#include "support/process.h"

namespace lockstep::house {
namespace {

const Tree& tree() {
  static const Tree kTree = load_tree(LOCKSTEP_SOURCE_DIR);
  return kTree;
}

class House : public ::testing::Test {
 protected:
  // A rule over nothing would hold.
  void SetUp() override {
    std::size_t ours = 0;
    for (const File& file : tree()) ours += file.is_ours() ? 1 : 0;
    ASSERT_GE(ours, 100u) << "the sources are not in " << LOCKSTEP_SOURCE_DIR;
  }

  static void holds(Violations (*rule)(const Tree&)) {
    const Violations found = rule(tree());
    EXPECT_TRUE(found.empty()) << to_text(found);
  }
};

TEST_F(House, ModulesIncludeOnlyLowerOnes) {
  holds(modules_include_only_lower_ones);
}
TEST_F(House, ArchitecturePageHasTheLayers) {
  holds(architecture_page_has_the_layers);
}
TEST_F(House, LibrariesStayInTheirFolders) {
  holds(libraries_stay_in_their_folders);
}
TEST_F(House, TorchIsNotReachedFromBelow) {
  holds(torch_is_not_reached_from_below);
}
TEST_F(House, PublicHeadersAreFewAndClean) {
  holds(public_headers_are_few_and_clean);
}
TEST_F(House, NoTwoFoldersIncludeEachOther) {
  holds(no_two_folders_include_each_other);
}
TEST_F(House, IncludeDepthIsSmall) {
  holds(include_depth_is_small);
}
TEST_F(House, TheEnvironmentIsReadInOneFile) {
  holds(environment_is_read_in_one_file);
}
TEST_F(House, LibrariesDoNotPrint) {
  holds(libraries_do_not_print);
}
TEST_F(House, ThreadsAreAskedForInOneFile) {
  holds(threads_are_asked_for_in_one_file);
}
TEST_F(House, FilesAreShort) {
  holds(files_are_short);
}
TEST_F(House, ClassesAreShort) {
  holds(classes_are_short);
}
TEST_F(House, FunctionsAreShort) {
  holds(functions_are_short);
}
TEST_F(House, ParametersAreFew) {
  holds(parameters_are_few);
}
TEST_F(House, BoolsAreFew) {
  holds(bools_are_few);
}
TEST_F(House, RoomsAreSmall) {
  holds(rooms_are_small);
}
TEST_F(House, ANameIsDefinedOnce) {
  holds(a_name_is_defined_once);
}
TEST_F(House, FunctionsAreDefinedWhereDeclared) {
  holds(functions_are_defined_where_declared);
}
TEST_F(House, ConditionalCodeIsRare) {
  holds(conditional_code_is_rare);
}
TEST_F(House, FilesNameTheirLicense) {
  holds(files_name_their_license);
}
TEST_F(House, HeadersGuardThemselves) {
  holds(headers_guard_themselves);
}
TEST_F(House, OpenWorkHasANumber) {
  holds(open_work_has_a_number);
}
TEST_F(House, NoPathOfOneMachine) {
  holds(no_path_of_one_machine);
}
TEST_F(House, LinksLeadSomewhere) {
  holds(links_lead_somewhere);
}
TEST_F(House, NoCodeIsCommentedOut) {
  holds(no_code_is_commented_out);
}
TEST_F(House, NoPipeEndsInAQuietGrep) {
  holds(no_pipe_ends_in_a_quiet_grep);
}

TEST_F(House, CommentSharesAreSane) {
  std::printf("comments: headers %.1f %% (aim 30-45), sources %.1f %% (aim 8-15)\n",
              comment_share(tree(), true), comment_share(tree(), false));
  holds(comment_shares_are_sane);
}

TEST_F(House, CppFilesAreFormatted) {
  std::vector<std::string> command = {"clang-format", "--dry-run", "-Werror", "--ferror-limit=1"};
  for (const File& file : tree())
    if (file.is_cpp()) command.push_back(file.path);
  testing::ProcessOptions options;
  options.directory = LOCKSTEP_SOURCE_DIR;
  const auto version = testing::run({"clang-format", "--version"}, options);
  ASSERT_EQ(version.code, 0) << "clang-format is missing; launch/setup installs it";
  const auto result = testing::run(command, options);
  EXPECT_EQ(result.code, 0) << result.err << "the tree is formatted with clang-format 14, this is "
                            << version.out << "clang-format -i FILE puts a file right";
}

}  // namespace
}  // namespace lockstep::house
