// SPDX-License-Identifier: Apache-2.0
// F42, F45 and F48 from outside: what the real binary opens, and what it lets out.
#include <filesystem>
#include <set>

#include "cli/binary.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

class HostileFile : public Binary {
 protected:
  void SetUp() override {
    Binary::SetUp();
    // What the hostile files name.
    for (const char* name : {"x", "x.h5"}) write_file(dir_ / name, "private");
  }
  // The command under strace: the lines of its trace that open something in the folder of the test.
  std::vector<std::string> opened(std::vector<std::string> words, int code) const {
    words.insert(words.begin(), {"strace", "-f", "-qq", "-e", "trace=open,openat,openat2", "-o",
                                 dir_ / "trace", LOCKSTEP_BINARY});
    const ProcessResult result = run(words, in_folder());
    EXPECT_EQ(result.code, code) << result.err;
    std::vector<std::string> out;
    for (const std::string& line : lines_of(read_file(dir_ / "trace")))
      if (line.find("\"/usr") == std::string::npos && line.find("\"/lib") == std::string::npos)
        out.push_back(line);
    return out;
  }
};

// Files whose links, values or virtual datasets lie in others, as a file to show and as training data.
TEST_F(HostileFile, OfHdf5OpensNoOtherFile) {
  const fs::path tests = fs::path(LOCKSTEP_SOURCE_DIR) / "tests";
  const fs::path index = tests / "checkpoint/data/format-2-sharded/step-00000003";
  for (const char* name : {"index.h5", "shard-00000-of-00002.h5", "shard-00001-of-00002.h5"})
    fs::copy_file(index / name, dir_ / name);
  for (const char* name : {"refused_external_link.h5", "refused_external_data.h5"})
    fs::copy_file(tests / "fuzz/corpus/hdf5" / name, dir_ / name);
  const std::map<std::string, std::string> files = {{"refused_external_link.h5", "/model/w"},
                                                    {"refused_external_data.h5", "/model/w"},
                                                    {"index.h5", "/model/split"}};
  std::size_t opened_themselves = 0;
  for (const auto& [file, dataset] : files) {
    write_file(dir_ / "hdf5.yaml",
               "version: 1\nmodel: {type: mlp, inputs: 4, outputs: 1}\ntrain: {steps: 1}\n"
               "data: {type: hdf5, train: {path: " +
                   file + ", inputs: " + dataset + ", labels: " + dataset + "}}\n");
    const std::vector<std::pair<std::vector<std::string>, int>> commands = {
        {{"ckpt", "show", file}, 65},
        {{"ckpt", "import", file, "-o", "w.h5"}, 65},
        {{"train", "-c", "hdf5.yaml"}, 66}};
    for (const auto& [words, code] : commands)
      for (const std::string& line : opened(words, code)) {
        opened_themselves += line.find(file) != std::string::npos ? 1 : 0;
        EXPECT_THAT(line, Not(HasSubstr("/x\""))) << file;
        EXPECT_THAT(line, Not(HasSubstr("\"x\""))) << file;
        EXPECT_THAT(line, Not(HasSubstr("/x.h5\""))) << file;
        EXPECT_THAT(line, Not(HasSubstr("shard-0"))) << file;
      }
  }
  EXPECT_GE(opened_themselves, 9u);
}

// F45: one line a tensor, whatever it is called; in JSON the name is whole.
TEST_F(HostileFile, NamesBeginNoLineOfATable) {
  const std::vector<std::string> names = {"line\nbreak", "\x1b[31mred", "\u202eright to left",
                                          "\u009bcontrol", "../../x"};
  json header;
  for (const std::string& name : names)
    header[name] = {{"dtype", "U8"}, {"shape", {0}}, {"data_offsets", {0, 0}}};
  const std::string text = header.dump();
  std::string file(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) file[i] = static_cast<char>(text.size() >> (8 * i));
  write_file(dir_ / "names.safetensors", file + text);
  const ProcessResult table = lockstep({"ckpt", "show", "names.safetensors"});
  EXPECT_EQ(table.code, 0) << table.err;
  for (const char* raw : {"line\n", "\x1b", "\u202e", "\u009b"}) EXPECT_THAT(table.out, Not(HasSubstr(raw)));
  std::size_t rows = 0;
  for (const std::string& line : lines_of(table.out)) rows += line.starts_with("  ") ? 1 : 0;
  EXPECT_EQ(rows, names.size());
  const json listed = json::parse(lockstep({"ckpt", "show", "names.safetensors", "--json"}).out);
  std::set<std::string> found;
  for (const json& tensor : listed["tensors"]) found.insert(tensor["name"]);
  EXPECT_EQ(found, std::set<std::string>(names.begin(), names.end()));
}

// Standard output and error of a run and of what looks at it, and every file but the checkpoints, which keep
// the metadata as the user gave it.
TEST_F(HostileFile, SecretsStayOutOfAllThatIsShown) {
  std::map<std::string, std::string> outputs;
  const auto take = [&](const std::string& name, const ProcessResult& result) {
    EXPECT_EQ(result.code, 0) << name << result.err;
    outputs[name] = result.out + result.err;
  };
  const std::map<std::string, std::string> environment = {{"API_TOKEN", "hunter1"}};
  take("train", lockstep({"train", "-c", "run.yaml", "run.metadata={db_password: hunter2, note: shown}"},
                         environment));
  take("status", lockstep({"status", "runs/small"}, environment));
  take("config",
       lockstep({"config", "show", "-c", "run.yaml", "run.metadata={db_password: hunter2}"}, environment));
  take("ls", lockstep({"ckpt", "ls", "runs/small", "--json"}, environment));
  for (const auto& entry : fs::recursive_directory_iterator(dir_ / "runs/small"))
    if (entry.is_regular_file())
      outputs[fs::relative(entry.path(), dir_ / "runs/small")] = read_file(entry.path());
  EXPECT_GT(outputs.size(), 12u);
  std::size_t notes = 0;
  for (const auto& [name, text] : outputs) {
    EXPECT_THAT(text, Not(HasSubstr("hunter1"))) << name;
    notes += text.find("shown") != std::string::npos ? 1 : 0;
    const bool keeps_metadata = name.starts_with("ckpt/") || name == "weights.h5";
    EXPECT_TRUE(keeps_metadata || text.find("hunter2") == std::string::npos) << name;
  }
  EXPECT_GE(notes, 2u);
}

}  // namespace
}  // namespace lockstep::testing
