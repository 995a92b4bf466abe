// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <hdf5.h>

#include <functional>

#include "checkpoint/fixture.h"
#include "checkpoint/weights.h"

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

TEST_F(HostileHdf5, EscapesNamesInMessages) {
  std::string message;
  const std::string path =
      make([](hid_t, hid_t model) { H5Lcreate_soft("/x", model, "\x1b[31mred", H5P_DEFAULT, H5P_DEFAULT); });
  EXPECT_EQ(code_of([&] { read_weights_file(path); }, &message), ExitCode::kNoValidCheckpoint);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace lockstep
