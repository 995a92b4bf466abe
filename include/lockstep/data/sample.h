// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "lockstep/base/span.h"
#include "lockstep/base/tensor_spec.h"
#include "lockstep/base/units.h"

namespace lockstep {

class HostBatch;

// One of the named tensors that a sample is made of. A first dimension of -1 has another length in every
// sample: a micro-batch is padded to its longest, and has the lengths as a field NAME_length of its own.
struct Field : TensorSpec {
  using TensorSpec::TensorSpec;

  bool varies() const { return !shape.empty() && shape[0] < 0; }
  // Of one row of a field that varies, of all of another.
  std::size_t row_bytes() const;
};

// Random numbers that are a function of their key alone; also a generator for the distributions of <random>,
// whose numbers differ between standard libraries.
class KeyedGenerator {
 public:
  using result_type = std::uint64_t;
  explicit KeyedGenerator(std::uint64_t key) : key_(key) {}

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()();
  // One of 0 .. count - 1, for count >= 1 that is small beside 2^64.
  std::uint64_t below(std::uint64_t count);

 private:
  std::uint64_t key_;
  std::uint64_t drawn_ = 0;
};

// Which sample is read, and what for.
struct SampleContext {
  std::int64_t index = 0;
  Epoch epoch;               // of training
  bool is_training = false;  // not: an evaluation or a prediction
  std::uint64_t key = 0;     // of run.seed, epoch and index

  // Draws the same for a sample and an epoch whichever rank or thread reads it, also after a restart. Equal
  // streams draw equal numbers.
  KeyedGenerator generator(std::uint64_t stream = 0) const;
};

// Where the fields of one sample are written.
class Sample {
 public:
  Sample(HostBatch& batch, std::int64_t slot) : batch_(batch), slot_(slot) {}

  // All bytes of a field, row-major, to be written; asked for again, what was written. Throws Fault (70) for
  // a field that fields() lacks, or that varies.
  std::span<std::byte> bytes(std::string_view field) const;
  // Of a field that varies: `length` rows in this sample.
  std::span<std::byte> bytes(std::string_view field, std::int64_t length) const;
  // The same as numbers, whose size must be the dtype's.
  template <class Value>
  std::span<Value> values(std::string_view field) const {
    return as<Value>(field, bytes(field));
  }
  template <class Value>
  std::span<Value> values(std::string_view field, std::int64_t length) const {
    return as<Value>(field, bytes(field, length));
  }

 private:
  template <class Value>
  std::span<Value> as(std::string_view field, std::span<std::byte> bytes) const {
    require_size(field, sizeof(Value));
    return {reinterpret_cast<Value*>(bytes.data()), bytes.size() / sizeof(Value)};
  }
  void require_size(std::string_view field, std::size_t bytes) const;

  HostBatch& batch_;
  std::int64_t slot_;
};

}  // namespace lockstep
