// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/digest.h"

#include "shelf/fixture.h"

namespace lockstep {
namespace {

std::vector<std::byte> pattern(std::size_t bytes) {
  std::vector<std::byte> out(bytes);
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<std::byte>(mix_key({i}));
  return out;
}

std::string little_endian(std::uint64_t number) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(number >> (8 * i) & 0xff);
  return out;
}

std::string canonical(const Digest& digest) {
  std::string out;
  for (const std::uint64_t word : {digest.high, digest.low})
    for (int i = 7; i >= 0; --i) out += static_cast<char>(word >> (8 * i) & 0xff);
  return out;
}

TEST(TensorDigest, FollowsTheWrittenRecipe) {
  // Rows of 100 000 bytes: a leaf is 3 of them, 7 rows are leaves of 3, 3 and 1.
  const auto bytes = pattern(7 * 100'000);
  const std::span<const std::byte> all(bytes);
  std::string text =
      std::string("float32") + '\0' + little_endian(2) + little_endian(7) + little_endian(25'000);
  text += canonical(digest_of(all.first(300'000))) + canonical(digest_of(all.subspan(300'000, 300'000))) +
          canonical(digest_of(all.subspan(600'000)));
  EXPECT_EQ(tensor_digest({DType::kFloat32, {7, 25'000}}, bytes), digest_of(text));
}

TEST(TensorDigest, TakesA0DimTensorAsOneLeafAndAnEmptyOneAsNone) {
  const auto bytes = pattern(8);
  EXPECT_EQ(tensor_digest({DType::kFloat64, {}}, bytes),
            digest_of(std::string("float64") + '\0' + little_endian(0) + canonical(digest_of(bytes))));
  EXPECT_EQ(tensor_digest({DType::kBool, {3, 0}}, {}),
            digest_of(std::string("bool") + '\0' + little_endian(2) + little_endian(3) + little_endian(0)));
}

TEST(TensorDigest, IsTheSameInPiecesOfAnySize) {
  const auto bytes = pattern(1'000'000);
  const Digest whole = tensor_digest({DType::kUInt8, {1000, 1000}}, bytes);
  for (const std::size_t size : {1, 7, 4096, 262'143, 262'144, 999'999}) {
    LeafDigester digester({DType::kUInt8, {1000, 1000}});
    for (std::size_t at = 0; at < bytes.size(); at += size)
      digester.update(std::span(bytes).subspan(at, std::min(size, bytes.size() - at)));
    EXPECT_EQ(digest_of_leaves({DType::kUInt8, {1000, 1000}}, digester.finish()), whole) << size;
  }
}

TEST(TensorDigest, DependsOnDTypeShapeAndEveryByte) {
  const auto bytes = pattern(24);
  const Digest digest = tensor_digest({DType::kFloat32, {2, 3}}, bytes);
  EXPECT_NE(tensor_digest({DType::kInt32, {2, 3}}, bytes), digest);
  EXPECT_NE(tensor_digest({DType::kFloat32, {3, 2}}, bytes), digest);
  EXPECT_NE(tensor_digest({DType::kFloat32, {6}}, bytes), digest);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    auto other = bytes;
    other[i] ^= std::byte{1};
    EXPECT_NE(tensor_digest({DType::kFloat32, {2, 3}}, other), digest);
  }
}

TEST(TensorDigest, RefusesTheWrongNumberOfBytes) {
  const auto bytes = pattern(25);
  EXPECT_THROW(tensor_digest({DType::kFloat32, {2, 3}}, bytes), Bug);
  EXPECT_THROW(tensor_digest({DType::kFloat32, {2, 3}}, std::span(bytes).first(23)), Bug);
}

TEST(StateHash, FollowsTheWrittenRecipeAndDependsOnStepAndNames) {
  const Digest a = digest_of("a");
  const Digest b = digest_of("b");
  const Digest hash = state_hash(Step{5}, {{"model/b", b}, {"model/a", a}});
  EXPECT_EQ(hash, digest_of(std::string("model/a") + '\0' + canonical(a) + "model/b" + '\0' + canonical(b) +
                            little_endian(5)));
  EXPECT_NE(state_hash(Step{6}, {{"model/b", b}, {"model/a", a}}), hash);
  EXPECT_NE(state_hash(Step{5}, {{"model/b", a}, {"model/a", b}}), hash);
  EXPECT_NE(state_hash(Step{5}, {{"model/a", a}}), hash);
}

}  // namespace
}  // namespace lockstep
