// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "exchange/import_weights.h"
#include "named/open_weights.h"
#include "shelf/convert.h"
#include "shelf/newest_whole.h"
#include "shelf/sharded_save.h"

namespace lockstep {
namespace {

// Names that would be trouble as paths, in a terminal, or beside each other.
const std::vector<std::string> kNames = {"../../escape",
                                         "/etc/passwd",
                                         "..",
                                         ".",
                                         std::string("nul\0byte", 8),
                                         "line\nbreak",
                                         "\x1b[31mred",
                                         "Case",
                                         "case",
                                         "\u0430",  // Cyrillic, looks like the next
                                         "a",
                                         "e\u0301",  // the same letter as the next, in two characters
                                         "\u00e9",
                                         "%2F",
                                         "/",
                                         " ",
                                         std::string(64 * 1024, 'n')};

class Names : public ::testing::Test {
 protected:
  Names() {
    for (const std::string& name : kNames) owned_.add_tensor({"", name}, DType::kFloat32, {2});
    for (const std::string& name : kNames) owned_.add_tensor({"exp_avg", name}, DType::kFloat32, {2});
  }
  // Every path below the scratch folder, from there.
  std::set<std::string> files() const {
    std::set<std::string> out;
    for (const auto& entry : fs::recursive_directory_iterator(scratch_ / ""))
      out.insert(fs::relative(entry.path(), scratch_ / ""));
    return out;
  }

  ScratchFolder scratch_;
  std::string dir_ = scratch_ / "ckpt";
  EventLog log_;
  OwnedState owned_ = OwnedState(1, 1, 500);
};

TEST_F(Names, AreDataInACheckpointOfOneFile) {
  CheckpointStore store(dir_, {}, real_disk(), log_.sink());
  store.save(owned_.state, false);
  const auto reader = newest_whole(store);
  expect_reads_back(*reader, owned_);
  EXPECT_EQ(files(),
            (std::set<std::string>{"ckpt", "ckpt/latest", "ckpt/step-00000001", "ckpt/verified",
                                   "ckpt/step-00000001/checkpoint.h5", "ckpt/step-00000001/manifest.json"}));
}

TEST_F(Names, AreDataInShardsAndTheirIndex) {
  CheckpointStore store(dir_, {}, real_disk(), log_.sink());
  save_sharded(store, owned_.state, 2);
  expect_reads_back(*newest_whole(store), owned_);
  for (const std::string& file : files()) EXPECT_TRUE(file.starts_with("ckpt") && file.size() < 60) << file;
}

TEST_F(Names, AreDataInAWeightsFile) {
  CheckpointStore store(dir_, {}, real_disk(), log_.sink());
  store.save(owned_.state, false);
  store.write_weights_file(scratch_ / "weights.h5");
  const auto source = open_weights(scratch_ / "weights.h5");
  for (const StateTensor& tensor : owned_.state.tensors) {
    if (!tensor.key.in_model()) continue;
    std::vector<std::byte> bytes(tensor.bytes.size());
    source->read(tensor.key.name, bytes);
    EXPECT_TRUE(std::ranges::equal(bytes, tensor.bytes)) << tensor.key.name.substr(0, 40);
  }
}

}  // namespace
}  // namespace lockstep
