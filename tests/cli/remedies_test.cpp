// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>

#include "cli/binary.h"
#include "config/load.h"
#include "config/read_value.h"
#include "config/schema.h"
#include "config/settings.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A text of the program, as the compiler joins it.
struct Literal {
  std::string file;
  std::string text;
};

std::string without_comments(const std::string& source) {
  std::string code;
  for (const std::string& line : lines_of(source)) {
    const auto start = line.find_first_not_of(' ');
    if (start == std::string::npos || line[start] == '#' || line.compare(start, 2, "//") == 0) continue;
    code += line + "\n";
  }
  return code;
}

void add_literals(const fs::path& file, std::vector<Literal>& literals) {
  const std::string code = without_comments(read_file(file.string()));
  std::string text;
  bool inside = false;
  for (std::size_t i = 0; i < code.size(); ++i) {
    const char c = code[i];
    if (inside && c == '\\') {
      text += code[++i] == 'n' ? '\n' : code[i];
    } else if (c == '"' && (inside || i == 0 || code[i - 1] != '\'')) {
      inside = !inside;
    } else if (inside) {
      text += c;
    } else if (c != ' ' && c != '\n' && !text.empty()) {
      literals.push_back({file.filename().string(), text});
      text.clear();
    }
  }
}

std::vector<Literal> literals_of_the_program() {
  std::vector<Literal> literals;
  for (const char* folder : {"/src", "/include"})
    for (const auto& entry : fs::recursive_directory_iterator(LOCKSTEP_SOURCE_DIR + std::string(folder)))
      if (entry.path().extension() == ".cpp" || entry.path().extension() == ".h")
        add_literals(entry.path(), literals);
  return literals;
}

std::vector<std::smatch> all_of(const std::string& text, const std::regex& pattern) {
  return {std::sregex_iterator(text.begin(), text.end(), pattern), std::sregex_iterator()};
}

class Remedies : public Binary {
 protected:
  std::string help_of(const std::string& command) {
    const auto known = help_.find(command);
    if (known != help_.end()) return known->second;
    std::vector<std::string> words;
    std::istringstream stream(command);
    for (std::string word; stream >> word;) words.push_back(word);
    words.push_back("--help");
    const ProcessResult result = lockstep(words);
    return help_[command] = result.code == 0 ? result.out : "";
  }

 private:
  std::map<std::string, std::string> help_;
};

// What looks like a key of the config in a text is one: no advice can be followed to a key that is not there.
TEST_F(Remedies, NameKeysThatExist) {
  const Schema schema;
  std::set<std::string> sections;
  for (const Row& row : schema.rows()) sections.insert(row.key.substr(0, row.key.find('.')));
  // Files, Python, and what a manifest records beside the keys.
  const std::set<std::string> others = {
      "data.content", "data.pkl",         "model.eval", "model.load_state_dict",
      "model.frozen", "checkpoint.keep_", "run.json",   "model.state_dict",
      "run.yaml"};
  const std::regex key(R"((^|[^\w./-])(([a-z]+)\.[a-z_0-9.]*[a-z_0-9]))");
  const std::regex file(R"(.*\.(h5|pth|pt|yaml|json|bin|npy|log|safetensors|sbatch)$)");
  int seen = 0;
  for (const Literal& literal : literals_of_the_program()) {
    for (const std::smatch& found : all_of(literal.text, key)) {
      const std::string name = found[2];
      if (!sections.contains(found[3]) || others.contains(name) || std::regex_match(name, file)) continue;
      const bool above = std::any_of(schema.rows().begin(), schema.rows().end(),
                                     [&](const Row& row) { return name.starts_with(row.key + "."); });
      EXPECT_TRUE(schema.find(name) != nullptr || schema.is_section(name) || above)
          << literal.file << ": " << name << " in: " << literal.text;
      ++seen;
    }
  }
  EXPECT_GT(seen, 150);
}

TEST_F(Remedies, SetKeysToValuesTheyTake) {
  const Schema schema;
  const std::regex setting(R"((^|[^\w./-])([a-z]+\.[a-z_.]+=(\[[^\]]*\]|[^\s,;)]*[^\s,;).])))");
  int seen = 0;
  for (const Literal& literal : literals_of_the_program()) {
    for (const std::smatch& found : all_of(literal.text, setting)) {
      const std::string text = found[2];
      const std::string key = text.substr(0, text.find('='));
      const Row* row = schema.find(key);
      // A literal may end where a value is put in.
      if (row == nullptr || text.find('{') != std::string::npos || text.ends_with('[')) continue;
      Settings settings;
      EXPECT_NO_THROW({
        collect_override(text, "", schema, settings);
        read_value(*row, settings.at(key));
      }) << literal.file
         << ": " << text;
      ++seen;
    }
  }
  EXPECT_GT(seen, 5);
}

TEST_F(Remedies, NameCommandsAndOptionsThatExist) {
  const std::regex command(R"(\blockstep ((ckpt|config|slurm) ([a-z]+)|[a-z]+)([^\n;]*))");
  const std::regex option(R"((^|\s)(--[a-z][a-z-]*))");
  int seen = 0;
  for (const Literal& literal : literals_of_the_program()) {
    for (const std::smatch& found : all_of(literal.text, command)) {
      const std::string name = found[1];
      if (name == "was" || name == "has") continue;  // "lockstep was built without CUDA"
      const std::string help = help_of(name);
      ASSERT_FALSE(help.empty()) << literal.file << ": no command: " << name << " in: " << literal.text;
      const std::string rest = found[4];
      for (const std::smatch& given : all_of(rest, option))
        EXPECT_THAT(help, HasSubstr(given[2].str())) << literal.file << ": " << name;
      ++seen;
    }
  }
  EXPECT_GT(seen, 30);
}

TEST_F(Remedies, NameLaunchersThatExist) {
  const std::regex launcher(R"(\b((launch|slurm)/[a-z.-]+))");
  for (const Literal& literal : literals_of_the_program())
    for (const std::smatch& found : all_of(literal.text, launcher))
      EXPECT_TRUE(fs::exists(LOCKSTEP_SOURCE_DIR + std::string("/") + found[1].str()))
          << literal.file << ": " << found[1];
}

// Somebody does what did not work, reads what was printed, and does that.
struct Situation {
  std::string does;
  std::string reads;  // as it is printed
  std::string follows;
};

class Followed : public Remedies {
 protected:
  ProcessResult shell(const std::string& line) const {
    return run({"bash", "-c", "lockstep() { \"" LOCKSTEP_BINARY "\" \"$@\"; }; " + line}, in_folder());
  }
};

TEST_F(Followed, RemediesWork) {
  train();
  ASSERT_EQ(shell("lockstep ckpt export runs/small --to pth -o full.pth").code, 0);
  const std::string config = kSmallConfig;
  const auto holdout = config.find(", holdout_every: 5");
  std::string without = config.substr(0, holdout) + config.substr(holdout + 18);
  without.erase(without.find(", eval_every: 6"), 15);
  write_file(dir_ / "no-valid.yaml", without);
  const std::vector<Situation> situations = {
      {"lockstep tain -c run.yaml --run runs/a", "Did you mean train?",
       "lockstep train -c run.yaml --run runs/a"},
      {"lockstep train -c run.yaml --rum runs/b", "Did you mean --run?",
       "lockstep train -c run.yaml --run runs/b"},
      {"lockstep train", "lockstep train -c run.yaml", "lockstep train -c run.yaml"},
      {"lockstep train -c new.yaml", "lockstep config init",
       "lockstep config init > new.yaml; lockstep config check new.yaml"},
      {"lockstep train -c run.yaml --run runs/c --resume must", "resume.mode=auto",
       "lockstep train -c run.yaml --run runs/c resume.mode=auto"},
      {"lockstep train -c run.yaml --run runs/d optim.lrr=1e-3", "Did you mean optim.lr",
       "lockstep train -c run.yaml --run runs/d optim.lr=1e-3"},
      {"lockstep train -c run.yaml --run runs/d --optim.lr=1e-3", "optim.lr=1e-4",
       "lockstep train -c run.yaml --run runs/d optim.lr=1e-4"},
      {"lockstep train -c run.yaml run.seed=6", "resume.allow_changes=[run.seed]",
       "lockstep train -c run.yaml run.seed=6 'resume.allow_changes=[run.seed]'"},
      {"lockstep eval -c no-valid.yaml --weights runs/small/weights.h5", "--part train",
       "lockstep eval -c no-valid.yaml --weights runs/small/weights.h5 --part train"},
      {"lockstep train -c run.yaml --run runs/e --resume full.pth", "full.pth -c CONFIG -o DIR",
       "lockstep ckpt import full.pth -c run.yaml -o made && lockstep train -c run.yaml --run runs/e "
       "--resume made"},
      {"lockstep train -c run.yaml --run runs/f --resume runs/small/weights.h5", "set model.weights to it",
       "lockstep train -c run.yaml --run runs/f model.weights=runs/small/weights.h5"},
  };
  for (const Situation& situation : situations) {
    const ProcessResult failed = shell(situation.does);
    EXPECT_NE(failed.code, 0) << situation.does;
    EXPECT_THAT(failed.err, HasSubstr(situation.reads)) << situation.does;
    const ProcessResult mended = shell(situation.follows);
    EXPECT_EQ(mended.code, 0) << situation.follows << "\n" << mended.err;
  }
}

TEST_F(Followed, WhatImportPrintsGoesOn) {
  train();
  ASSERT_EQ(shell("lockstep ckpt export runs/small --to pth -o full.pth").code, 0);
  const ProcessResult made =
      shell("lockstep ckpt import full.pth -c run.yaml run.dir=runs/g train.steps=14 -o \"it's made\"");
  ASSERT_EQ(made.code, 0) << made.err;
  const auto lines = lines_of(made.out);
  const auto command = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.starts_with("  lockstep train");
  });
  ASSERT_NE(command, lines.end()) << made.out;
  const ProcessResult trained = shell(*command);
  EXPECT_EQ(trained.code, 0) << *command << trained.err;
  EXPECT_TRUE(fs::exists(dir_ / "runs/g/DONE"));
}

}  // namespace
}  // namespace lockstep::testing
