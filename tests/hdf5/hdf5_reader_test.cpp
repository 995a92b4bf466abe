// SPDX-License-Identifier: Apache-2.0
// Our reader against the library: what one writes, in every form it knows, the other lists.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <set>

#include "hdf5/checksum.h"
#include "hdf5/model_group.h"
#include "shelf/fixture.h"

namespace lockstep {
namespace {

struct Form {
  const char* name;
  H5F_libver_t version;
  bool tracks_order;  // which makes a new group in an old file
};

void PrintTo(const Form& form, std::ostream* out) {
  *out << form.name;
}

class OwnReader : public ::testing::TestWithParam<Form> {
 protected:
  OwnReader() {
    (void)H5dont_atexit();
    const hid_t access = access_list();
    file_ = H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access);
    H5Pclose(access);
    const hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
    if (GetParam().tracks_order)
      H5Pset_link_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    model_ = H5Gcreate2(file_, "model", H5P_DEFAULT, creation, H5P_DEFAULT);
    H5Pclose(creation);
  }
  ~OwnReader() override { close(); }

  // Where the library puts it; `name` is new.
  std::uint64_t add(const std::string& name, hid_t type, const std::vector<hsize_t>& dims) {
    const hid_t space = dims.empty() ? H5Screate(H5S_SCALAR)
                                     : H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_alloc_time(creation, H5D_ALLOC_TIME_EARLY);
    const hid_t set = H5Dcreate2(model_, name.c_str(), type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    EXPECT_GE(set, 0);
    const std::uint64_t offset = H5Dget_offset(set);
    H5Dclose(set);
    H5Pclose(creation);
    H5Sclose(space);
    return offset;
  }
  void add_attribute(const char* name, hid_t type, const void* value) {
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attribute = H5Acreate2(model_, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    EXPECT_GE(H5Awrite(attribute, type, value), 0);
    H5Aclose(attribute);
    H5Sclose(space);
  }
  void add_text(const char* name, const std::string& text) {
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, text.size() + 1);
    add_attribute(name, type, text.c_str());
    H5Tclose(type);
  }
  static hid_t access_list() {
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, GetParam().version, H5F_LIBVER_LATEST);
    return access;
  }
  void reopen() {
    const hid_t access = access_list();
    file_ = H5Fopen(path_.c_str(), H5F_ACC_RDWR, access);
    H5Pclose(access);
    model_ = H5Gopen2(file_, "model", H5P_DEFAULT);
  }
  Hdf5ModelGroup listed() {
    close();
    return list_model_group(*real_disk().open(path_), path_);
  }
  void close() {
    if (file_ < 0) return;
    H5Gclose(model_);
    H5Fclose(std::exchange(file_, -1));
  }

  ScratchFolder scratch_;
  std::string path_ = scratch_ / "w.h5";
  hid_t file_ = -1;
  hid_t model_ = -1;
};

TEST_P(OwnReader, ListsShapesTypesAndPlaces) {
  const std::vector<std::pair<hid_t, DType>> types = {
      {H5T_IEEE_F64LE, DType::kFloat64}, {H5T_IEEE_F32LE, DType::kFloat32}, {H5T_STD_I64LE, DType::kInt64},
      {H5T_STD_I32LE, DType::kInt32},    {H5T_STD_I16LE, DType::kInt16},    {H5T_STD_I8LE, DType::kInt8},
      {H5T_STD_U8LE, DType::kUInt8}};
  const std::vector<std::vector<hsize_t>> shapes = {{}, {1}, {2, 3}, {0, 4}, {2, 1, 3, 1, 2}};
  std::map<std::string, Hdf5Placement> expected;
  for (const auto& [type, dtype] : types)
    for (const auto& dims : shapes) {
      Hdf5Placement placement{{fmt::format("{}.{}", name_of(dtype), expected.size()), dtype, {}}};
      placement.shape.assign(dims.begin(), dims.end());
      const std::uint64_t offset = add(placement.name, type, dims);
      placement.offset = byte_count(placement) == 0 ? 0 : offset;
      expected[placement.name] = placement;
    }
  const Hdf5ModelGroup found = listed();
  ASSERT_EQ(found.tensors.size(), expected.size());
  for (const Hdf5Placement& tensor : found.tensors) {
    const Hdf5Placement& want = expected.at(tensor.name);
    EXPECT_EQ(tensor.dtype, want.dtype) << tensor.name;
    EXPECT_EQ(tensor.shape, want.shape) << tensor.name;
    EXPECT_EQ(tensor.offset, want.offset) << tensor.name;
  }
}

// From one leaf to trees of several levels, and to heaps whose tables hold tables.
TEST_P(OwnReader, FindsEveryOneOfManyNames) {
  add("0", H5T_STD_I32LE, {5});
  int count = 1;
  for (const int wanted : {9, 100, 3000, 20000}) {
    for (; count < wanted; ++count)
      ASSERT_GE(H5Lcreate_hard(model_, "0", model_, fmt::format("{}.a_name_of_some_length", count).c_str(),
                               H5P_DEFAULT, H5P_DEFAULT),
                0);
    const Hdf5ModelGroup found = listed();
    reopen();
    std::set<std::string> names;
    for (const Hdf5Placement& tensor : found.tensors) names.insert(tensor.name);
    ASSERT_EQ(names.size(), static_cast<std::size_t>(wanted));
    for (int i = 1; i < wanted; ++i)
      ASSERT_TRUE(names.contains(fmt::format("{}.a_name_of_some_length", i))) << i;
  }
}

TEST_P(OwnReader, ReadsNumbersAndTextsOfAnyLength) {
  const std::int32_t step = -7;
  add_attribute("step", H5T_NATIVE_INT32, &step);
  add_text("digests", "{\"a\": \"short\"}");
  const Hdf5ModelGroup found = listed();
  EXPECT_EQ(found.step, -7);
  EXPECT_EQ(found.digests, "{\"a\": \"short\"}");
}

TEST_P(OwnReader, ReadsABigEndianStep) {
  const std::uint16_t step = 0x1234;
  const hid_t space = H5Screate(H5S_SCALAR);
  const hid_t attribute = H5Acreate2(model_, "step", H5T_STD_U16BE, space, H5P_DEFAULT, H5P_DEFAULT);
  EXPECT_GE(H5Awrite(attribute, H5T_NATIVE_UINT16, &step), 0);
  H5Aclose(attribute);
  H5Sclose(space);
  EXPECT_EQ(listed().step, 0x1234);
}

// Attributes above 64 KiB, and many of them, lie in a heap of their own.
class OwnReaderOfNewFiles : public OwnReader {};

TEST_P(OwnReaderOfNewFiles, ReadsAttributesThatLieInAHeap) {
  std::string text;
  for (int i = 0; i < 40000; ++i) text += fmt::format("{:06}", i);
  for (int i = 0; i < 30; ++i)
    add_text(fmt::format("other{}", i).c_str(), std::string(static_cast<std::size_t>(10 * i), 'x'));
  add_text("digests", text);
  const std::int64_t step = 5;
  add_attribute("step", H5T_NATIVE_INT64, &step);
  const Hdf5ModelGroup found = listed();
  EXPECT_EQ(found.step, 5);
  EXPECT_EQ(found.digests, text);
}

std::string name_of_form(const ::testing::TestParamInfo<Form>& info) {
  return info.param.name;
}

INSTANTIATE_TEST_SUITE_P(Of, OwnReader,
                         ::testing::Values(Form{"Earliest", H5F_LIBVER_EARLIEST, false},
                                           Form{"EarliestInOrder", H5F_LIBVER_EARLIEST, true},
                                           Form{"V18", H5F_LIBVER_V18, false},
                                           Form{"V110", H5F_LIBVER_V110, false},
                                           Form{"V110InOrder", H5F_LIBVER_V110, true}),
                         name_of_form);
INSTANTIATE_TEST_SUITE_P(Of, OwnReaderOfNewFiles,
                         ::testing::Values(Form{"V18", H5F_LIBVER_V18, false},
                                           Form{"V110", H5F_LIBVER_V110, false},
                                           Form{"V110InOrder", H5F_LIBVER_V110, true}),
                         name_of_form);

// Values of Bob Jenkins' own hashlittle(), at the lengths around a block.
TEST(Hdf5Checksum, IsLookup3) {
  const auto of = [](std::string_view text) { return hdf5_checksum(std::as_bytes(std::span(text))); };
  EXPECT_EQ(of(""), 0xdeadbeefu);
  EXPECT_EQ(of("Four score and seven years ago"), 0x17770551u);
}

}  // namespace
}  // namespace lockstep
