// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <cstring>

#include "data/formats/builtin.h"
#include "data/formats/window_dataset.h"
#include "data/refuse.h"

namespace lockstep {
namespace {

// llm.c's header: 256 int32, of which [0] is this magic, [1] the version and [2] the number of tokens.
constexpr std::int32_t kMagic = 20240520;
constexpr std::int32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 256 * sizeof(std::int32_t);
constexpr const char* kRemedy = "Write the file again; it may have been cut off while copied.";

std::size_t header_of(const MappedFile& file) {
  const auto bytes = file.bytes();
  std::array<std::int32_t, 3> start{};
  if (bytes.size() >= sizeof(std::int32_t)) std::memcpy(start.data(), bytes.data(), sizeof(std::int32_t));
  if (start[0] != kMagic) {
    if (bytes.size() % sizeof(std::uint16_t) != 0)
      refuse_file(file.path(), fmt::format("has {} bytes, expected whole uint16 tokens", bytes.size()),
                  kRemedy);
    return 0;
  }
  if (bytes.size() < kHeaderBytes)
    refuse_file(file.path(), fmt::format("has {} bytes, expected a header of {}", bytes.size(), kHeaderBytes),
                kRemedy);
  // Only now is it known that three numbers are there.
  std::memcpy(start.data(), bytes.data(), sizeof(start));
  if (start[1] != kVersion)
    refuse_file(file.path(), fmt::format("token file version {}, expected {}", start[1], kVersion),
                "Write the file as uint16 tokens, version 1.");
  const std::size_t payload = bytes.size() - kHeaderBytes;
  if (start[2] < 0 || static_cast<std::size_t>(start[2]) * sizeof(std::uint16_t) != payload)
    refuse_file(file.path(),
                fmt::format("the header promises {} tokens, {} bytes follow, expected {}", start[2], payload,
                            std::int64_t{start[2]} * 2),
                kRemedy);
  return kHeaderBytes;
}

}  // namespace

std::unique_ptr<Dataset> open_tokens(const DataOptions& options, DataPart part) {
  WindowFormat format;
  format.value_bytes = sizeof(std::uint16_t);
  format.context = options.context;
  format.header_bytes = [vocab = options.vocab](const MappedFile& file) {
    const std::size_t header = header_of(file);
    check_values(file, header, sizeof(std::uint16_t), vocab);
    return header;
  };
  return open_windows(options, part, format);
}

}  // namespace lockstep
