// SPDX-License-Identifier: Apache-2.0
#include "data/host_batch.h"

#include <fmt/format.h>

#include <new>
#include <string>

#include "base/foreign_exception.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr std::size_t kAlignment = 64;

std::size_t total(std::size_t bytes, std::int64_t count) {
  std::size_t all = 0;
  check(count >= 0 && !__builtin_mul_overflow(bytes, static_cast<std::size_t>(count), &all),
        "a batch fits in memory");
  return all;
}

// A dataset of somebody's own may throw anything.
DatasetFault fault_of(const ForeignException& thrown, const Dataset& dataset, std::int64_t index) {
  std::string place;
  try {
    place = dataset.place_of(index);
  } catch (...) {
    place = fmt::format("sample {}", index);
  }
  const std::string number = fmt::format("sample {}", index);
  if (place != number) place += " (" + number + ")";
  if (thrown.kind == ForeignException::Kind::kOutOfMemory) {
    const Fault fault = out_of_memory(thrown, "the dataset reading " + place,
                                      "Give the job more memory, or make its samples smaller");
    return {fault.code(), fault.fact(), fault.remedy()};
  }
  return {ExitCode::kBug,
          fmt::format("the dataset threw reading {} of {}: {}", place, dataset.size(), thrown.text),
          "Look at the dataset's sample(), and at what it reads there"};
}

}  // namespace

void AlignedBytes::resize(std::size_t bytes) {
  size_ = bytes;
  if (bytes <= capacity_ && memory_ != nullptr) return;
  // aligned_alloc asks for a multiple of the alignment.
  const std::size_t rounded = (bytes / kAlignment + 1) * kAlignment;
  memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded)));
  if (memory_ == nullptr) throw std::bad_alloc();
  capacity_ = rounded;
}

void HostBatch::shape(const SampleSpec& layout, std::int64_t count) {
  spec = layout;
  samples = count;
  inputs.resize(total(layout.input_bytes(), count));
  targets.resize(total(layout.target_bytes(), count));
  indices.resize(static_cast<std::size_t>(count));
}

void HostBatch::fill(std::int64_t slot, const Dataset& dataset, std::int64_t index) {
  const std::size_t input = spec.input_bytes();
  const std::size_t target = spec.target_bytes();
  indices[static_cast<std::size_t>(slot)] = index;
  try {
    dataset.sample(index, inputs.span().subspan(slot * input, input),
                   targets.span().subspan(slot * target, target));
  } catch (...) {
    throw fault_of(foreign_exception(), dataset, index);
  }
}

void read_chunk(const Dataset& dataset, std::int64_t first, std::int64_t count, HostBatch& into) {
  check(first >= 0 && count >= 0 && first <= dataset.size() && count <= dataset.size() - first,
        "a chunk lies inside the dataset");
  dataset.check_unchanged();
  into.shape(dataset.spec(), count);
  for (std::int64_t slot = 0; slot < count; ++slot) into.fill(slot, dataset, first + slot);
}

}  // namespace lockstep
