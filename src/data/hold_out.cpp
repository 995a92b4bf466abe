// SPDX-License-Identifier: Apache-2.0
#include "data/hold_out.h"

#include <fmt/format.h>

#include <utility>

#include "data/refuse.h"
#include "lockstep/base/error.h"

namespace lockstep {

SampleSplit::SampleSplit(std::unique_ptr<Dataset> whole, std::int64_t n, DataPart part)
    : whole_(std::move(whole)), n_(n), part_(part) {
  check(n_ >= 2, "every n-th sample is held out, n >= 2");
}

std::int64_t SampleSplit::size() const {
  const std::int64_t held_out = whole_->size() / n_;
  return part_ == DataPart::kValid ? held_out : whole_->size() - held_out;
}

void SampleSplit::sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const {
  check(index >= 0 && index < size(), "a sample lies inside its part");
  whole_->sample(whole_index(index), input, target);
}

void SampleSplit::sample(const SampleContext& context, Sample& into) const {
  check(context.index >= 0 && context.index < size(), "a sample lies inside its part");
  SampleContext in_whole = context;
  in_whole.index = whole_index(context.index);
  whole_->sample(in_whole, into);
}

std::int64_t SampleSplit::whole_index(std::int64_t index) const {
  // Training skips one sample after each run of n - 1.
  return part_ == DataPart::kValid ? index * n_ + n_ - 1 : index + index / (n_ - 1);
}

std::string SampleSplit::description() const {
  return fmt::format("{}; {} of them {}: every {}-th sample", whole_->description(), size(),
                     part_ == DataPart::kValid ? "held out" : "left by the hold-out", n_);
}

Digest SampleSplit::fingerprint() const {
  Hasher hasher;
  hasher.update("every n-th sample");
  hasher.update(whole_->fingerprint());
  hasher.update_u64(static_cast<std::uint64_t>(n_));
  hasher.update_u64(part_ == DataPart::kValid ? 1 : 0);
  return hasher.digest();
}

void check_hold_out(const DataOptions& options) {
  if (options.holdout_every == 0) return;
  if (options.holdout_every < 2)
    refuse_option(
        fmt::format("data.holdout_every is {}: nothing would be left to train on", options.holdout_every),
        "Use 2 or more, or 0 for none.");
  if (!options.valid.empty())
    refuse_option("data.holdout_every and data.valid are both given", "Keep one of them.");
}

std::unique_ptr<Dataset> open_part(const DataOptions& options, DataPart part, const OpenFiles& open) {
  check_hold_out(options);
  if (options.holdout_every == 0) {
    if (part == DataPart::kTrain) return open(options.train);
    return options.valid.empty() ? nullptr : open(options.valid);
  }
  // Both parts come from the same files, so both refuse a split that leaves one of them empty.
  auto whole = open(options.train);
  if (whole->size() < options.holdout_every)
    refuse_option(fmt::format("data.holdout_every = {} holds out none of {} samples", options.holdout_every,
                              whole->size()),
                  "Use a smaller number, or more data.");
  return std::make_unique<SampleSplit>(std::move(whole), options.holdout_every, part);
}

}  // namespace lockstep
