// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <hdf5.h>

#include <functional>

#include "exchange/weights.h"
#include "shelf/fixture.h"

namespace lockstep {
namespace {

using ::testing::HasSubstr;

// Files a hostile hand would make with stock HDF5.
class HostileHdf5 : public ::testing::Test {
 protected:
  // A new file with /model, filled by `fill`.
  std::string make(const std::function<void(hid_t file, hid_t model)>& fill) {
    const std::string path = scratch_ / "hostile.h5";
    fs::remove(path);
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t model = H5Gcreate2(file, "model", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    fill(file, model);
    H5Gclose(model);
    H5Fclose(file);
    return path;
  }
  static void dataset(hid_t parent, hid_t type, const std::vector<hsize_t>& dims,
                      hid_t creation = H5P_DEFAULT) {
    const hid_t space = H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr);
    const hid_t set = H5Dcreate2(parent, "w", type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    EXPECT_GE(set, 0);
    H5Dclose(set);
    H5Sclose(space);
  }
  static void expect_refused(const std::string& path, const std::string& reason) {
    std::string message;
    EXPECT_EQ(code_of([&] { read_weights_file(path); }, &message), ExitCode::kNoValidCheckpoint);
    EXPECT_THAT(message, HasSubstr(reason));
  }

  ScratchFolder scratch_;
};

TEST_F(HostileHdf5, ReadsAPlainFileOfOthers) {
  const std::string path = make([](hid_t, hid_t model) {
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
    dataset(model, H5T_IEEE_F32LE, {2, 3}, creation);
    H5Pclose(creation);
  });
  const auto source = read_weights_file(path);
  ASSERT_EQ(source->tensors().size(), 1u);
  EXPECT_EQ(source->tensors()[0].shape, (Shape{2, 3}));
  EXPECT_FALSE(source->step());
  std::vector<std::byte> bytes(24, std::byte{1});
  source->read("w", bytes);
  EXPECT_EQ(bytes, std::vector<std::byte>(24));
}

TEST_F(HostileHdf5, RefusesDataInAnotherFile) {
  spill(scratch_ / "secret", std::string(4096, 's'));
  expect_refused(make([&](hid_t, hid_t model) {
                   const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
                   H5Pset_external(creation, (scratch_ / "secret").c_str(), 0, 4096);
                   dataset(model, H5T_STD_U8LE, {4096}, creation);
                   H5Pclose(creation);
                 }),
                 "another file");
}

TEST_F(HostileHdf5, RefusesLinksThatLeadElsewhere) {
  expect_refused(
      make([](hid_t, hid_t model) { H5Lcreate_soft("/model/w", model, "w", H5P_DEFAULT, H5P_DEFAULT); }),
      "link");
  expect_refused(make([](hid_t, hid_t model) {
                   H5Lcreate_external("/etc/x.h5", "/", model, "w", H5P_DEFAULT, H5P_DEFAULT);
                 }),
                 "link");
  expect_refused(make([](hid_t file, hid_t) {
                   H5Ldelete(file, "model", H5P_DEFAULT);
                   H5Lcreate_soft("/", file, "model", H5P_DEFAULT, H5P_DEFAULT);
                 }),
                 "link");
}

TEST_F(HostileHdf5, RefusesAShapeLargerThanTheFile) {
  expect_refused(make([](hid_t, hid_t model) {
                   dataset(model, H5T_IEEE_F64LE, {1ull << 20, 1ull << 20});
                 }),
                 "claims more bytes");
  expect_refused(make([](hid_t, hid_t model) { dataset(model, H5T_IEEE_F32LE, {100}); }), "inside the file");
}

TEST_F(HostileHdf5, RefusesStorageThatIsNotContiguous) {
  expect_refused(make([](hid_t, hid_t model) {
                   const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
                   const hsize_t chunk = 10;
                   H5Pset_chunk(creation, 1, &chunk);
                   H5Pset_deflate(creation, 9);
                   dataset(model, H5T_IEEE_F32LE, {100}, creation);
                   H5Pclose(creation);
                 }),
                 "not stored contiguously");
  expect_refused(make([](hid_t, hid_t model) {
                   const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
                   H5Pset_layout(creation, H5D_COMPACT);
                   dataset(model, H5T_IEEE_F32LE, {4}, creation);
                   H5Pclose(creation);
                 }),
                 "not stored contiguously");
  expect_refused(make([](hid_t, hid_t model) {
                   const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
                   const hsize_t four = 4;
                   const hid_t space = H5Screate_simple(1, &four, nullptr);
                   H5Pset_virtual(creation, space, "/etc/x.h5", "/x", space);
                   dataset(model, H5T_IEEE_F32LE, {4}, creation);
                   H5Sclose(space);
                   H5Pclose(creation);
                 }),
                 "not stored contiguously");
}

TEST_F(HostileHdf5, RefusesTypesThatAreNoTensorElements) {
  for (const hid_t type : {H5T_IEEE_F32BE, H5T_STD_U16LE, H5T_STD_REF_OBJ, H5T_C_S1})
    expect_refused(make([&](hid_t, hid_t model) { dataset(model, type, {4}); }), "element type");
}

TEST_F(HostileHdf5, RefusesGroupsWhereTensorsBelong) {
  expect_refused(make([](hid_t, hid_t model) {
                   H5Gclose(H5Gcreate2(model, "w", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
                 }),
                 "not a dataset");
  // A cycle of hard links.
  expect_refused(make([](hid_t file, hid_t model) {
                   H5Lcreate_hard(file, "model", model, "w", H5P_DEFAULT, H5P_DEFAULT);
                 }),
                 "not a dataset");
  expect_refused(make([](hid_t file, hid_t) { H5Ldelete(file, "model", H5P_DEFAULT); }), "no group /model");
}

TEST_F(HostileHdf5, RefusesExoticTypes) {
  const auto refused_type = [&](hid_t type) {
    expect_refused(make([&](hid_t, hid_t model) { dataset(model, type, {4}); }), "element type");
    H5Tclose(type);
  };
  const hid_t compound = H5Tcreate(H5T_COMPOUND, 8);
  H5Tinsert(compound, "a", 0, H5T_IEEE_F32LE);
  H5Tinsert(compound, "b", 4, H5T_STD_I32LE);
  refused_type(compound);
  refused_type(H5Tvlen_create(H5T_IEEE_F32LE));
  refused_type(H5Tcreate(H5T_OPAQUE, 4));
  const hsize_t two = 2;
  refused_type(H5Tarray_create2(H5T_IEEE_F32LE, 1, &two));
  const hid_t choice = H5Tenum_create(H5T_STD_I8LE);
  const std::int8_t none = 0;
  H5Tenum_insert(choice, "NONE", &none);
  refused_type(choice);
  const hid_t text = H5Tcopy(H5T_C_S1);
  H5Tset_size(text, H5T_VARIABLE);
  refused_type(text);
  const hid_t odd = H5Tcopy(H5T_STD_I32LE);
  H5Tset_precision(odd, 17);
  refused_type(odd);
  expect_refused(make([](hid_t file, hid_t model) {
                   const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
                   H5Tcommit2(file, "type", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
                   dataset(model, type, {4});
                   H5Tclose(type);
                 }),
                 "committed type");
}

// A filter that is not built in would be code from wherever HDF5_PLUGIN_PATH points.
TEST_F(HostileHdf5, RefusesAFilterThatOnlyAPluginKnows) {
  expect_refused(make([](hid_t, hid_t model) {
                   const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
                   const hsize_t chunk = 4;
                   H5Pset_chunk(creation, 1, &chunk);
                   H5Pset_filter(creation, 32015, H5Z_FLAG_OPTIONAL, 0, nullptr);
                   dataset(model, H5T_IEEE_F32LE, {4}, creation);
                   H5Pclose(creation);
                 }),
                 "not stored contiguously");
}

TEST_F(HostileHdf5, RefusesShapesThatOverflowThoughTheyAreEmpty) {
  expect_refused(make([](hid_t, hid_t model) {
                   dataset(model, H5T_IEEE_F32LE, {1ull << 40, 1ull << 40, 0});
                 }),
                 "claims more bytes");
}

TEST_F(HostileHdf5, TakesNoAttributeOfManyElements) {
  const std::string path = make([](hid_t, hid_t model) {
    const std::vector<hsize_t> dims = {2, 2};
    const hid_t space = H5Screate_simple(2, dims.data(), nullptr);
    H5Aclose(H5Acreate2(model, "step", H5T_STD_I64LE, space, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
  });
  EXPECT_FALSE(read_weights_file(path)->step());
}

TEST_F(HostileHdf5, EscapesNamesInMessages) {
  std::string message;
  const std::string path =
      make([](hid_t, hid_t model) { H5Lcreate_soft("/x", model, "\x1b[31mred", H5P_DEFAULT, H5P_DEFAULT); });
  EXPECT_EQ(code_of([&] { read_weights_file(path); }, &message), ExitCode::kNoValidCheckpoint);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

// A file without /model whose root group is a tree of two levels, each node of which names the same child
// `fan` times. With `circle`, that child is the first node.
std::string wide_tree(std::uint64_t fan, bool circle) {
  std::string file;
  const auto put = [&](std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) file.push_back(static_cast<char>(value >> (8 * i)));
  };
  constexpr std::uint64_t kNothing = ~std::uint64_t{0};
  constexpr std::uint64_t kHeap = 136;
  constexpr std::uint64_t kTree = 176;
  const std::uint64_t node_bytes = 24 + 16 * fan;
  const std::uint64_t leaf = kTree + 2 * node_bytes;
  file = "\x89HDF\r\n\x1a\n";
  put(0, 5), put(8, 1), put(8, 1), put(0, 1), put(4, 2), put(16, 2), put(0, 4);
  put(0, 8), put(kNothing, 8), put(leaf + 8, 8), put(kNothing, 8), put(0, 8), put(96, 8), put(0, 24);
  put(1, 2), put(1, 2), put(1, 4), put(24, 4), put(0, 4), put(0x11, 2), put(16, 2), put(0, 4);
  put(kTree, 8), put(kHeap, 8);
  file += "HEAP";
  put(0, 4), put(8, 8), put(1, 8), put(168, 8), put(0, 8);
  for (const std::uint64_t level : {1, 0}) {
    file += "TREE";
    put(0, 1), put(level, 1), put(fan, 2), put(kNothing, 8), put(kNothing, 8);
    const std::uint64_t below = level == 0 ? leaf : circle ? kTree : kTree + node_bytes;
    for (std::uint64_t i = 0; i < fan; ++i) put(0, 8), put(below, 8);
  }
  file += "SNOD";
  put(1, 4);
  return file;
}

// Ten million groups, or any number of nothing, in a file of 64 kB.
TEST_F(HostileHdf5, RefusesTreesThatLeadInCirclesOrNeverEnd) {
  const std::string path = scratch_ / "tree.h5";
  spill(path, wide_tree(2, false));
  expect_refused(path, "no group /model");
  spill(path, wide_tree(2, true));
  expect_refused(path, "damaged B-tree");
  spill(path, wide_tree(2000, false));
  expect_refused(path, "leads in circles");
}

TEST_F(HostileHdf5, WalksAllOfAWideTreeWithoutItsLimit) {
  const std::string path = scratch_ / "tree.h5";
  spill(path, wide_tree(200, false));
  expect_refused(path, "leads in circles");
  const ArmedPlan no_guard("skip@point=guard.skip_work_limit");
  expect_refused(path, "no group /model");
}

TEST_F(HostileHdf5, RefusesMetadataThatDiffersFromItsChecksum) {
  const auto flipped = [&] {
    EventLog log;
    CheckpointStore store(scratch_ / "ckpt", {}, real_disk(), log.sink());
    if (!fs::exists(scratch_ / "ckpt")) store.save(OwnedState(1).state, false);
    const std::string path = scratch_ / "flipped.h5";
    std::string bytes = slurp(scratch_ / "ckpt/step-00000001/checkpoint.h5");
    const std::size_t at = bytes.find("layers.0.bias");
    check(at != std::string::npos, "the name is in the file");
    bytes[at] = 'L';
    spill(path, bytes);
    return path;
  };
  expect_refused(flipped(), "differs from its checksum");
  const ArmedPlan no_guard("skip@point=guard.skip_checksum");
  const auto source = read_weights_file(flipped());
  EXPECT_EQ(source->tensors()[0].key.name, "Layers.0.bias");
}

}  // namespace
}  // namespace lockstep
