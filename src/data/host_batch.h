// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/aligned_bytes.h"
#include "data/batch_layout.h"
#include "lockstep/base/error.h"
#include "lockstep/data/dataset.h"

namespace lockstep {

// A dataset threw something of its own: 70, or 69 out of memory. Names the sample.
class DatasetFault : public Fault {
 public:
  using Fault::Fault;
};

// A field of several samples: one contiguous, row-major tensor [samples, field.shape…].
struct HostField {
  Field field;  // a dimension that varies is the longest's
  AlignedBytes bytes;
};

// The samples of one micro-batch, or of another chunk, side by side.
class HostBatch {
 public:
  // Makes room for `count` samples, whatever was there. Throws Bug when the bytes overflow.
  void shape(const BatchLayout& layout, std::int64_t count);
  // Writes a sample of `dataset` into place `slot`; different slots at once from different threads. What the
  // dataset throws becomes a DatasetFault, unless it is a Fault already; so does a field it leaves out.
  void fill(std::int64_t slot, const Dataset& dataset, const SampleContext& context);
  // Once every slot is filled: pads the fields that vary to their longest and adds their lengths. With zeros,
  // but a target of integers with `ignored`, data.ignore_label, where there is one.
  void finish(std::optional<std::int64_t> ignored = {});

  std::int64_t samples() const { return static_cast<std::int64_t>(indices_.size()); }
  // As the dataset lists them, each that varies followed by its lengths.
  const std::vector<HostField>& fields() const { return fields_; }
  const HostField& target() const { return fields_.at(target_); }
  // Of each sample in the dataset.
  const std::vector<std::int64_t>& indices() const { return indices_; }

  // For Sample: as its functions of these names.
  const Field& field(std::string_view name) const;
  std::span<std::byte> place(std::string_view name, std::int64_t slot);
  std::span<std::byte> place(std::string_view name, std::int64_t slot, std::int64_t length);

 private:
  // The samples of a field that varies, until they are padded.
  using Loose = std::vector<std::vector<std::byte>>;

  std::size_t number_of(std::string_view name) const;
  void add_field(std::size_t number, const Field& field);
  void require_written(std::int64_t slot) const;
  void pad(std::size_t number, std::optional<std::int64_t> label);

  std::vector<HostField> fields_;
  std::vector<Loose> loose_;           // one a field, empty where it does not vary
  std::vector<std::uint8_t> written_;  // [slot][field]: bytes, for several threads
  std::vector<std::int64_t> indices_;
  std::size_t target_ = 0;
};

// Samples [first, first + count) of a dataset, in its order.
struct Chunk {
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::optional<std::int64_t> ignored = {};  // as finish() takes it
};

// Local. For evaluation. Throws Bug when the chunk passes the end, Fault (66) when a file changed.
void read_chunk(const Dataset& dataset, const Chunk& chunk, HostBatch& into);

}  // namespace lockstep
