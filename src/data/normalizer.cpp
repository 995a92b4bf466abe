// SPDX-License-Identifier: Apache-2.0
#include "data/normalizer.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <cstring>

#include "data/refuse.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr const char* kRemedy =
    "Give data.normalize one mean and one std > 0 for each channel, or leave it out.";

std::vector<double> per_channel(const std::vector<double>& numbers, std::size_t channels) {
  if (numbers.size() == 1) return std::vector<double>(channels, numbers[0]);
  if (numbers.size() != channels && !numbers.empty())
    refuse_option(fmt::format("data.normalize has {} numbers for {} channels", numbers.size(), channels),
                  kRemedy);
  return numbers;
}

template <class Float>
void normalize(std::span<Float> values, Float mean, Float std) {
  // Subtract, then divide, rounding after each: what torchvision's Normalize does.
  for (Float& value : values) value = (value - mean) / std;
}

template <class Float>
void normalize_channels(std::span<std::byte> bytes, const std::vector<double>& mean,
                        const std::vector<double>& std) {
  const std::span<Float> values(reinterpret_cast<Float*>(bytes.data()), bytes.size() / sizeof(Float));
  const std::size_t elements = values.size() / mean.size();
  for (std::size_t channel = 0; channel < mean.size(); ++channel)
    normalize(values.subspan(channel * elements, elements), static_cast<Float>(mean[channel]),
              static_cast<Float>(std[channel]));
}

}  // namespace

Normalizer::Normalizer(const DataOptions& options, const SampleSpec& spec) : dtype_(spec.input_dtype) {
  if (options.mean.size() != options.std.size())
    refuse_option(
        fmt::format("data.normalize has {} means and {} stds", options.mean.size(), options.std.size()),
        kRemedy);
  if (!is_floating(dtype_)) refuse_normalize(options);
  for (std::size_t i = 0; i < options.mean.size(); ++i)
    // As float too: a std that underflows there would divide by zero.
    if (!std::isfinite(options.mean[i]) || !std::isfinite(options.std[i]) ||
        static_cast<float>(options.std[i]) <= 0)
      refuse_option(fmt::format("data.normalize has mean {} and std {}", options.mean[i], options.std[i]),
                    kRemedy);
  // A sample without dimensions is one channel.
  const std::size_t channels = spec.input_shape.empty() ? 1 : static_cast<std::size_t>(spec.input_shape[0]);
  mean_ = per_channel(options.mean, channels);
  std_ = per_channel(options.std, channels);
  channel_elements_ = static_cast<std::size_t>(element_count(spec.input_shape)) / channels;
  if (dtype_ != DType::kFloat32) return;
  byte_values_.resize(mean_.empty() ? 1 : channels);
  for (std::size_t channel = 0; channel < byte_values_.size(); ++channel) {
    // A byte has 256 values: the divisions are done once, in the order PyTorch's transforms do them.
    std::array<float, 256>& values = byte_values_[channel];
    for (std::size_t value = 0; value < 256; ++value) values[value] = static_cast<float>(value) / 255.0f;
    if (!mean_.empty())
      normalize<float>(values, static_cast<float>(mean_[channel]), static_cast<float>(std_[channel]));
  }
}

void Normalizer::from_bytes(std::span<const std::byte> from, std::span<std::byte> into) const {
  check(dtype_ == DType::kFloat32 && into.size() == from.size() * sizeof(float),
        "each byte becomes one float");
  float* values = reinterpret_cast<float*>(into.data());
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::size_t channel = mean_.empty() ? 0 : i / channel_elements_;
    values[i] = byte_values_[channel][std::to_integer<std::size_t>(from[i])];
  }
}

void Normalizer::apply(std::span<std::byte> values) const {
  if (mean_.empty()) return;
  if (dtype_ == DType::kFloat64)
    normalize_channels<double>(values, mean_, std_);
  else
    normalize_channels<float>(values, mean_, std_);
}

void Normalizer::add_to(Hasher& hasher) const {
  hasher.update_u64(mean_.size());
  for (std::size_t i = 0; i < mean_.size(); ++i) {
    hasher.update_u64(std::bit_cast<std::uint64_t>(mean_[i]));
    hasher.update_u64(std::bit_cast<std::uint64_t>(std_[i]));
  }
}

void refuse_normalize(const DataOptions& options) {
  if (options.mean.empty() && options.std.empty()) return;
  refuse_option(fmt::format("data.normalize has no meaning for the inputs of data.type {}", options.type),
                "Leave data.normalize out.");
}

}  // namespace lockstep
