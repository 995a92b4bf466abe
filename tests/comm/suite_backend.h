// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <ostream>
#include <string>
#include <utility>

#include "comm/suite_values.h"
#include "lockstep/comm/communicator.h"

namespace lockstep {

// Memory of the kind a backend works on. Spans live as long as this object.
class SuiteMemory {
 public:
  virtual ~SuiteMemory() = default;
  virtual void* store(const Bytes& bytes) = 0;
  virtual Bytes fetch(const void* data, std::size_t bytes) = 0;
};

class HostMemory : public SuiteMemory {
 public:
  void* store(const Bytes& bytes) override { return kept_.emplace_back(bytes).data(); }
  Bytes fetch(const void* data, std::size_t bytes) override {
    const auto* first = static_cast<const std::byte*>(data);
    return {first, first + bytes};
  }

 private:
  std::deque<Bytes> kept_;
};

// One rank's view inside a case of the suite.
struct SuiteRank {
  Communicator& group;
  SuiteMemory& memory;

  int rank() const { return group.rank().value; }
  int size() const { return group.size().value; }
  std::size_t ranks() const { return static_cast<std::size_t>(size()); }

  MutableSpan span(DType dtype, std::size_t count, const std::function<double(std::size_t)>& value) const {
    return {memory.store(suite_bytes(dtype, count, value)), count, dtype};
  }
  // This rank's values, and a span nobody has written to yet.
  MutableSpan mine(DType dtype, std::size_t count) const {
    return span(dtype, count, [r = rank()](std::size_t i) { return suite_value(r, i); });
  }
  MutableSpan blank(DType dtype, std::size_t count) const {
    return span(dtype, count, [](std::size_t) { return 9; });
  }
  Bytes fetch(ConstSpan span) const {
    group.synchronize();
    return memory.fetch(span.data, span.bytes());
  }
  void expect(ConstSpan span, const std::function<double(std::size_t)>& value) const {
    EXPECT_EQ(fetch(span), suite_bytes(span.dtype, span.count, value))
        << "dtype " << name_of(span.dtype) << ", count " << span.count << ", rank " << rank() << " of "
        << size();
  }
};

// Runs a body on every rank of one world. What a backend cannot do is said here, so that no case has to know
// backends.
struct SuiteBackend {
  std::string name;
  std::function<void(const std::function<void(const SuiteRank&)>&)> on_all_ranks;
  bool reduces_int16 = true;
  bool host_memory = true;  // then also: an in-place reduce-scatter keeps the rest, NaN wins min and max
};

inline void PrintTo(const SuiteBackend& backend, std::ostream* out) {
  *out << backend.name;
}

}  // namespace lockstep
