// SPDX-License-Identifier: Apache-2.0
#include "lockstep/data/sample.h"

#include <fmt/format.h>

#include "data/host_batch.h"
#include "lockstep/base/error.h"
#include "lockstep/base/random.h"

namespace lockstep {

std::size_t Field::row_bytes() const {
  return byte_count(dtype, varies() ? Shape(shape.begin() + 1, shape.end()) : shape);
}

std::uint64_t KeyedGenerator::operator()() {
  return mix_key({key_, drawn_++});
}

std::uint64_t KeyedGenerator::below(std::uint64_t count) {
  check(count >= 1, "one of none cannot be drawn");
  return (*this)() % count;
}

KeyedGenerator SampleContext::generator(std::uint64_t stream) const {
  return KeyedGenerator(mix_key({key, stream}));
}

std::span<std::byte> Sample::bytes(std::string_view field) const {
  return batch_.place(field, slot_);
}

std::span<std::byte> Sample::bytes(std::string_view field, std::int64_t length) const {
  return batch_.place(field, slot_, length);
}

void Sample::require_size(std::string_view field, std::size_t bytes) const {
  const Field& of = batch_.field(field);
  if (size_of(of.dtype) == bytes) return;
  throw Fault(ExitCode::kBug,
              fmt::format("field {} is {} of {} bytes, and is written as values of {}", field,
                          name_of(of.dtype), size_of(of.dtype), bytes),
              "Look at the dataset's sample() and fields()");
}

}  // namespace lockstep
