// SPDX-License-Identifier: Apache-2.0
// F42: small files whose groups have more paths than can be walked, circles, and files of millions of groups.
// The kernel holds the memory of the command: without any file's content it has 64 MiB and the size of the
// file, of that at most what the reader keeps of a heap of names.
#include <hdf5.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "cli/binary.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMiB = 1u << 20;
constexpr std::uint64_t kMostKept = 64 * kMiB;

hid_t new_group(hid_t parent, const std::string& name) {
  return H5Gcreate2(parent, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
}

void close_all(std::initializer_list<hid_t> groups) {
  for (const hid_t group : groups) EXPECT_GE(H5Gclose(group), 0);
}

void hard_link(hid_t object, hid_t parent, const char* name) {
  EXPECT_GE(H5Olink(object, parent, name, H5P_DEFAULT, H5P_DEFAULT), 0);
}

void soft_link(const char* to, hid_t parent, const char* name) {
  EXPECT_GE(H5Lcreate_soft(to, parent, name, H5P_DEFAULT, H5P_DEFAULT), 0);
}

// A group that names the next twice, and so on: 2^levels paths from `parent`, through as many objects as
// there are levels.
void double_paths(hid_t parent, int levels) {
  hid_t below = H5Gcreate_anon(parent, H5P_DEFAULT, H5P_DEFAULT);
  for (int level = 1; level < levels; ++level) {
    const hid_t group = H5Gcreate_anon(parent, H5P_DEFAULT, H5P_DEFAULT);
    for (const char* name : {"a", "b"}) hard_link(below, group, name);
    H5Gclose(below);
    below = group;
  }
  for (const char* name : {"a", "b"}) hard_link(below, parent, name);
  H5Gclose(below);
}

// What a file of weights needs.
void good_model(hid_t file) {
  const hid_t model = new_group(file, "model");
  const hsize_t four = 4;
  const hid_t space = H5Screate_simple(1, &four, nullptr);
  const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
  H5Dclose(H5Dcreate2(model, "w", H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
  H5Pclose(creation);
  H5Sclose(space);
  H5Gclose(model);
}

class GroupBomb : public Binary {
 protected:
  void SetUp() override {
    Binary::SetUp();
    make("good.h5", H5F_LIBVER_LATEST, good_model);
    baseline_ = least_memory();
  }
  void make(const std::string& name, H5F_libver_t version, const std::function<void(hid_t)>& fill) const {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    ASSERT_GE(H5Pset_libver_bounds(access, version, H5F_LIBVER_LATEST), 0);
    const hid_t file = H5Fcreate((dir_ / name).c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
    ASSERT_GE(file, 0);
    fill(file);
    H5Pclose(access);
    ASSERT_GE(H5Fclose(file), 0);
  }
  ProcessResult with_memory(std::uint64_t bytes, std::vector<std::string> words) const {
    words.insert(words.begin(), {"prlimit", "--data=" + std::to_string(bytes), LOCKSTEP_BINARY, "ckpt"});
    return run(words, in_folder());
  }
  // What a file of a few bytes takes, to 8 MiB: with less the kernel refuses, and the command fails.
  std::uint64_t least_memory() const {
    std::uint64_t fails = 0;
    std::uint64_t does = 256 * kMiB;
    EXPECT_EQ(with_memory(does, {"show", "good.h5"}).code, 0);
    while (does - fails > 8 * kMiB) {
      const std::uint64_t middle = (fails + does) / 2;
      (with_memory(middle, {"show", "good.h5"}).code == 0 ? does : fails) = middle;
    }
    EXPECT_GT(fails, 0u) << "the limit has no effect";
    return does;
  }
  // Shown and imported in bounded memory: with this code, and one line that says why.
  void expect_bounded(const std::string& file, int code, const std::string& reason = "") const {
    SCOPED_TRACE(file);
    const std::uint64_t limit =
        baseline_ + 64 * kMiB + std::min<std::uint64_t>(fs::file_size(dir_ / file), kMostKept);
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"show", file}, {"import", file, "-o", "w.h5"}}) {
      const ProcessResult result = with_memory(limit, words);
      EXPECT_EQ(result.code, code) << words[0] << result.err;
      EXPECT_FALSE(result.timed_out);
      if (code == 0) continue;
      EXPECT_EQ(lines_of(result.err).size(), 1u) << result.err;
      EXPECT_THAT(result.err, ::testing::StartsWith("lockstep: error: " + file + ": "));
      EXPECT_THAT(result.err, ::testing::HasSubstr(reason));
      EXPECT_EQ(result.out, "");
    }
    EXPECT_EQ(fs::remove(dir_ / "w.h5"), code == 0);
  }

  std::uint64_t baseline_ = 0;
};

TEST_F(GroupBomb, OfFewObjectsWithMorePathsThanCanBeWalkedIsRefusedOrPassedBy) {
  for (const auto& [version, levels] : {std::pair(H5F_LIBVER_EARLIEST, 24), {H5F_LIBVER_LATEST, 500}}) {
    SCOPED_TRACE(levels);
    make("in_model.h5", version, [levels = levels](hid_t file) {
      const hid_t model = new_group(file, "model");
      double_paths(model, levels);
      close_all({model});
    });
    make("without_model.h5", version, [levels = levels](hid_t file) { double_paths(file, levels); });
    make("beside_model.h5", version, [levels = levels](hid_t file) {
      good_model(file);
      double_paths(file, levels);
    });
    EXPECT_LT(fs::file_size(dir_ / "in_model.h5"), kMiB);
    expect_bounded("in_model.h5", 65, "/model/a is not a dataset");
    expect_bounded("without_model.h5", 65, "no group /model");
    expect_bounded("beside_model.h5", 0);
  }
}

TEST_F(GroupBomb, OfLinksThatLeadInCirclesIsRefusedOrPassedBy) {
  make("itself.h5", H5F_LIBVER_EARLIEST, [](hid_t file) {
    const hid_t model = new_group(file, "model");
    hard_link(model, model, "model");
    close_all({model});
  });
  expect_bounded("itself.h5", 65, "/model/model is not a dataset");
  make("root.h5", H5F_LIBVER_LATEST, [](hid_t file) {
    const hid_t root = H5Gopen2(file, "/", H5P_DEFAULT);
    hard_link(root, file, "model");
    close_all({root});
  });
  expect_bounded("root.h5", 65, "/model/model is not a dataset");
  make("two.h5", H5F_LIBVER_LATEST, [](hid_t file) {
    const hid_t model = new_group(file, "model");
    const hid_t other = new_group(model, "other");
    hard_link(model, other, "back");
    close_all({other, model});
  });
  expect_bounded("two.h5", 65, "/model/other is not a dataset");
  make("soft.h5", H5F_LIBVER_EARLIEST, [](hid_t file) {
    const hid_t model = new_group(file, "model");
    soft_link("/model/b", model, "a");
    soft_link("/model/a", model, "b");
    close_all({model});
  });
  expect_bounded("soft.h5", 65, "is a soft or external link");
  make("soft_model.h5", H5F_LIBVER_LATEST, [](hid_t file) {
    soft_link("/other", file, "model");
    soft_link("/model", file, "other");
  });
  expect_bounded("soft_model.h5", 65, "/model is a soft or external link");
  make("beside.h5", H5F_LIBVER_EARLIEST, [](hid_t file) {
    good_model(file);
    soft_link("/a", file, "a");
    const hid_t circle = new_group(file, "circle");
    hard_link(circle, circle, "circle");
    close_all({circle});
  });
  expect_bounded("beside.h5", 0);
}

// Side by side in one group, which keeps their names in a heap behind a tree.
TEST_F(GroupBomb, NightlyOfAMillionGroupsInOneIsRefused) {
  make("flat.h5", H5F_LIBVER_LATEST, [](hid_t file) {
    const hid_t model = new_group(file, "model");
    for (int i = 0; i < 1'000'000; ++i) H5Gclose(new_group(model, std::to_string(i)));
    close_all({model});
  });
  expect_bounded("flat.h5", 65, "more than 250000 links");
}

// At most four in each: a gigabyte of them.
TEST_F(GroupBomb, NightlyOfTenMillionGroupsIsRefused) {
  int left = 10'000'000;
  const hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
  H5Pset_est_link_info(creation, 4, 1);
  H5Pset_obj_track_times(creation, false);
  const std::function<void(hid_t, int)> fill = [&](hid_t parent, int depth) {
    for (const char* name : {"a", "b", "c", "d"}) {
      if (left == 0) return;
      --left;
      const hid_t group = H5Gcreate2(parent, name, H5P_DEFAULT, creation, H5P_DEFAULT);
      if (depth > 0) fill(group, depth - 1);
      H5Gclose(group);
    }
  };
  make("tree.h5", H5F_LIBVER_LATEST, [&](hid_t file) {
    const hid_t model = new_group(file, "model");
    fill(model, 11);
    close_all({model});
  });
  H5Pclose(creation);
  EXPECT_EQ(left, 0);
  EXPECT_GT(fs::file_size(dir_ / "tree.h5"), 512 * kMiB);
  expect_bounded("tree.h5", 65, "/model/a is not a dataset");
}

}  // namespace
}  // namespace lockstep::testing
