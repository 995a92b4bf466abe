// SPDX-License-Identifier: Apache-2.0
#include "lockstep/data/dataset.h"

#include "data/batch_layout.h"
#include "data/spec_digest.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

constexpr const char* kInput = "input";
constexpr const char* kTarget = "target";

bool is_input_and_target(const std::vector<Field>& fields) {
  return fields.size() == 2 && fields[0].name == kInput && fields[1].name == kTarget && !fields[0].varies() &&
         !fields[1].varies();
}

[[noreturn]] void refuse_half(const char* missing) {
  throw Fault(ExitCode::kBug, std::string("the dataset has no ") + missing,
              "A dataset has spec() and the sample() of an input and a target, or fields() and the sample() "
              "of a SampleContext");
}

}  // namespace

SampleSpec Dataset::spec() const {
  refuse_half("spec()");
}

void Dataset::sample(std::int64_t, std::span<std::byte>, std::span<std::byte>) const {
  refuse_half("sample()");
}

std::vector<Field> Dataset::fields() const {
  const SampleSpec of = spec();
  return {{kInput, of.input_dtype, of.input_shape}, {kTarget, of.target_dtype, of.target_shape}};
}

void Dataset::sample(const SampleContext& context, Sample& into) const {
  sample(context.index, into.bytes(kInput), into.bytes(kTarget));
}

Digest Dataset::fingerprint() const {
  Hasher hasher;
  hasher.update_u64(static_cast<std::uint64_t>(size()));
  const BatchLayout layout = layout_of(*this);
  // As it always was for these: fingerprints are kept in checkpoints.
  if (is_input_and_target(layout.fields))
    update_spec(hasher, {layout.fields[0].dtype, layout.fields[0].shape, layout.fields[1].dtype,
                         layout.fields[1].shape});
  else
    update_fields(hasher, layout);
  return hasher.digest();
}

std::string Dataset::place_of(std::int64_t index) const {
  return "sample " + std::to_string(index);
}

std::string Dataset::description() const {
  return std::to_string(size()) + " samples";
}

}  // namespace lockstep
