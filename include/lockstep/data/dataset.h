// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lockstep/base/hash.h"
#include "lockstep/base/span.h"
#include "lockstep/data/sample.h"

namespace lockstep {

// What every sample looks like that is an input and a target. A target of an integer dtype means classes, of
// a floating one regression.
struct SampleSpec {
  DType input_dtype = DType::kFloat32;
  Shape input_shape;
  DType target_dtype = DType::kInt64;
  Shape target_shape;

  std::size_t input_bytes() const { return byte_count(input_dtype, input_shape); }
  std::size_t target_bytes() const { return byte_count(target_dtype, target_shape); }
};

// One of the files behind a dataset.
struct DataFile {
  std::string name;  // below what the config names: stays when the data move
  std::uint64_t bytes = 0;
  Digest content;
};

// Samples by number. A user's own dataset overrides size() and either spec() with the first sample(), for an
// input and a target, or fields() with the second one, for any named tensors; see docs/your-own-model.md. All
// functions are Local and const; sample() is called from the prefetch thread, with data.workers from several
// threads at once.
class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual std::int64_t size() const = 0;

  // The default throws Fault (70): a dataset has either these two …
  virtual SampleSpec spec() const;
  // Writes sample `index` (0 <= index < size()) as spec() lays it out. Must depend on nothing but `index`.
  virtual void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const;

  // … or these. The default has "input" and "target", as spec() has them.
  virtual std::vector<Field> fields() const;
  // The field that a model's loss compares its outputs with.
  virtual std::string target_field() const { return "target"; }
  // Writes every field of the sample. Must depend on nothing but `context`.
  virtual void sample(const SampleContext& context, Sample& into) const;

  // What the data is, by content: a resumed run must find the same. The default covers size and spec only.
  virtual Digest fingerprint() const;
  // Where sample `index` lies, for messages: "train/a.h5, row 17". The default is "sample 17".
  virtual std::string place_of(std::int64_t index) const;
  // One line for people: where the samples come from and how they were read. The default is "17 samples".
  virtual std::string description() const;
  // The files behind the dataset, so that a resume which finds other data can name what came, went or
  // changed. May read them. The default has none.
  virtual std::vector<DataFile> files() const { return {}; }
  // Throws Fault (66) when a file behind the dataset is not what it was when opened. The default has no
  // files.
  virtual void check_unchanged() const {}
};

}  // namespace lockstep
