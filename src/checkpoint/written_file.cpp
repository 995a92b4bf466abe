// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/written_file.h"

#include <cstring>

#include "lockstep/base/error.h"

namespace lockstep {

namespace {

// Ranks of one job run one program on machines of one kind, so that plain bytes will do.
class Encoder {
 public:
  void number(std::uint64_t value) { text_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void digest(const Digest& value) {
    number(value.high);
    number(value.low);
  }
  void text(const std::string& value) {
    number(value.size());
    text_ += value;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view text) : rest_(text) {}

  std::uint64_t number() {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes(sizeof value).data(), sizeof value);
    return value;
  }
  Digest digest() {
    const std::uint64_t high = number();
    return {high, number()};
  }
  std::string text() { return std::string(bytes(number())); }
  // How many items of at least `least` bytes follow.
  std::size_t count(std::size_t least) {
    const std::uint64_t items = number();
    check(items <= rest_.size() / least, "an encoded file is as long as it says");
    return items;
  }
  void end() const { check(rest_.empty(), "an encoded file has nothing behind it"); }

 private:
  std::string_view bytes(std::uint64_t size) {
    check(size <= rest_.size(), "an encoded file is as long as it says");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest_;
};

}  // namespace

std::string encode_file(const WrittenFile& file) {
  Encoder out;
  out.text(file.name);
  out.number(file.bytes);
  out.digest(file.digest);
  out.number(file.datasets.size());
  for (const WrittenDataset& dataset : file.datasets) {
    out.number(dataset.offset);
    out.number(dataset.leaves.size());
    for (const Digest& leaf : dataset.leaves) out.digest(leaf);
  }
  return out.take();
}

WrittenFile decode_file(std::string_view text) {
  Decoder in(text);
  WrittenFile file;
  file.name = in.text();
  file.bytes = in.number();
  file.digest = in.digest();
  file.datasets.resize(in.count(16));
  for (WrittenDataset& dataset : file.datasets) {
    dataset.offset = in.number();
    dataset.leaves.resize(in.count(16));
    for (Digest& leaf : dataset.leaves) leaf = in.digest();
  }
  in.end();
  return file;
}

}  // namespace lockstep
