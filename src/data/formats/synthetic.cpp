// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>

#include "data/formats/builtin.h"
#include "data/hold_out.h"
#include "data/normalizer.h"
#include "data/refuse.h"
#include "data/spec_digest.h"
#include "lockstep/base/error.h"
#include "lockstep/base/random.h"

namespace lockstep {
namespace {

// Keeps the numbers for different uses of one seed apart.
enum Purpose : std::uint64_t { kClassOf = 1, kMeanOf, kNoiseOf, kWeightOf, kTargetNoiseOf };

// Close to a standard normal: the sum of four uniform numbers. Whole-number arithmetic until the last two
// operations, so the bits do not depend on a mathematics library.
float bell(std::uint64_t bits) {
  const auto sum = static_cast<std::int64_t>((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) +
                                             (bits >> 48));
  return static_cast<float>(sum - 2 * 65535) * (1.0f / 37837.0f);
}

class SyntheticDataset : public Dataset {
 public:
  explicit SyntheticDataset(const DataOptions& options)
      : seed_(options.seed), size_(options.samples), classes_(options.classes) {
    spec_.input_dtype = DType::kFloat32;
    spec_.input_shape = options.input_shape;
    if (classes_ == 0) {
      spec_.target_dtype = DType::kFloat32;
      spec_.target_shape = {options.targets};
    }
    elements_ = static_cast<std::uint64_t>(element_count(spec_.input_shape));
  }

  std::int64_t size() const override { return size_; }
  SampleSpec spec() const override { return spec_; }

  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    check(index >= 0 && index < size_, "a sample lies inside its dataset");
    const std::span<float> values(reinterpret_cast<float*>(input.data()), input.size() / sizeof(float));
    const auto number = static_cast<std::uint64_t>(index);
    if (classes_ > 0) {
      const std::uint64_t label = mix_key({seed_, kClassOf, number}) % static_cast<std::uint64_t>(classes_);
      fill(values, mix_key({seed_, kNoiseOf, number}), mix_key({seed_, kMeanOf, label}));
      *reinterpret_cast<std::int64_t*>(target.data()) = static_cast<std::int64_t>(label);
    } else {
      const std::uint64_t noise = mix_key({seed_, kNoiseOf, number});
      for (std::uint64_t j = 0; j < elements_; ++j) values[j] = bell(mix_key({noise, j}));
      map(values, {reinterpret_cast<float*>(target.data()), target.size() / sizeof(float)}, number);
    }
  }

  Digest fingerprint() const override {
    Hasher hasher;
    hasher.update("synthetic");
    for (const std::uint64_t number :
         {seed_, static_cast<std::uint64_t>(size_), static_cast<std::uint64_t>(classes_)})
      hasher.update_u64(number);
    update_spec(hasher, spec_);
    return hasher.digest();
  }

 private:
  void fill(std::span<float> values, std::uint64_t noise, std::uint64_t mean) const {
    for (std::uint64_t j = 0; j < elements_; ++j)
      // Means are not stored: classes x values may be larger than memory.
      values[j] = bell(mix_key({mean, j})) + 0.5f * bell(mix_key({noise, j}));
  }

  void map(std::span<const float> values, std::span<float> targets, std::uint64_t number) const {
    // Targets of variance about 1, whatever the number of inputs. sqrt is exact to the last bit everywhere.
    const double scale = 1.0 / std::sqrt(static_cast<double>(elements_));
    for (std::uint64_t t = 0; t < targets.size(); ++t) {
      const std::uint64_t weights = mix_key({seed_, kWeightOf, t});
      double sum = 0;
      for (std::uint64_t j = 0; j < elements_; ++j)
        sum += double{bell(mix_key({weights, j}))} * double{values[j]};
      targets[t] = static_cast<float>(sum * scale) + 0.1f * bell(mix_key({seed_, kTargetNoiseOf, number, t}));
    }
  }

  std::uint64_t seed_;
  std::int64_t size_;
  std::int64_t classes_;
  SampleSpec spec_;
  std::uint64_t elements_ = 0;
};

void check_options(const DataOptions& options) {
  // A sample above 1 GiB is a slip of the keyboard.
  constexpr std::int64_t kMostElements = std::int64_t{1} << 28;
  std::int64_t elements = 1;
  bool sound = !options.input_shape.empty();
  for (const std::int64_t dimension : options.input_shape)
    sound = sound && dimension >= 1 && !__builtin_mul_overflow(elements, dimension, &elements) &&
            elements <= kMostElements;
  if (!sound)
    refuse_option("data.input_shape must hold positive numbers, at most 2^28 values a sample",
                  "Such as [784] or [3, 32, 32].");
  if (options.samples < 1 || options.classes < 0 || (options.classes == 0 && options.targets < 1))
    refuse_option(fmt::format("synthetic data with samples = {}, classes = {}, targets = {}", options.samples,
                              options.classes, options.targets),
                  "samples and targets are at least 1, classes at least 0 (0: regression).");
  if (!options.train.empty() || !options.valid.empty())
    refuse_option("data.type synthetic reads no files",
                  "Leave data.train and data.valid out; data.holdout_every validates.");
  // Values are drawn around 0 with variance about 1 already.
  refuse_normalize(options);
}

}  // namespace

std::unique_ptr<Dataset> open_synthetic(const DataOptions& options, DataPart part) {
  check_options(options);
  return open_part(options, part,
                   [&](const DataFiles&) { return std::make_unique<SyntheticDataset>(options); });
}

}  // namespace lockstep
