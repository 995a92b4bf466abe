// SPDX-License-Identifier: Apache-2.0
#include "untrusted/inflate.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <vector>

#include "lockstep/base/error.h"

namespace lockstep {
namespace {

using Bytes = std::vector<std::byte>;

Bytes deflated(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  Bytes packed(text.size() + 100);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

// Whether `packed` unpacks to exactly `bytes` bytes; `text` is what it then holds.
bool unpacks(const Bytes& packed, std::size_t bytes, std::string* text = nullptr) {
  Bytes into(bytes);
  try {
    inflate(packed, into, "file");
  } catch (const Fault& fault) {
    EXPECT_EQ(fault.code(), ExitCode::kNoValidCheckpoint);
    EXPECT_EQ(std::string(fault.what()).rfind("file: ", 0), 0u) << fault.what();
    return false;
  }
  if (text != nullptr) text->assign(reinterpret_cast<const char*>(into.data()), into.size());
  return true;
}

TEST(Inflate, UnpacksToTheBytesThatWerePackedAndToNoOtherNumberOfThem) {
  for (const std::string& text :
       {std::string(), std::string("a"), std::string(100'000, 'x'), std::string("abcabc")}) {
    std::string found;
    const Bytes packed = deflated(text);
    ASSERT_TRUE(unpacks(packed, text.size(), &found));
    EXPECT_EQ(found, text);
    EXPECT_FALSE(unpacks(packed, text.size() + 1)) << text.size();
    EXPECT_FALSE(!text.empty() && unpacks(packed, text.size() - 1)) << text.size();
  }
}

TEST(Inflate, RefusesAStreamThatIsCutOffOrGoesOn) {
  Bytes packed = deflated("a text that is long enough to be cut");
  for (std::size_t bytes = 0; bytes < packed.size(); ++bytes)
    EXPECT_FALSE(unpacks(Bytes(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(bytes)), 36))
        << bytes;
  ASSERT_TRUE(unpacks(packed, 36));
  packed.push_back(std::byte{0});
  EXPECT_FALSE(unpacks(packed, 36));
}

}  // namespace
}  // namespace lockstep
