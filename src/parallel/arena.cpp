// SPDX-License-Identifier: Apache-2.0
#include "parallel/arena.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/aligned_block.h"
#include "lockstep/base/error.h"
#include "tensors/page_zeros.h"

namespace lockstep {
namespace {

constexpr std::int64_t kAlignBytes = 64;
// What a checkpoint writes straight from memory starts on a page, there and here.
constexpr std::int64_t kPageFrom = 64 * 1024;
constexpr std::int64_t kPageBytes{kDirectAlignment};

std::int64_t rounded_up(std::int64_t count, std::int64_t step) {
  return (count + step - 1) / step * step;
}

// Throws Fault (78) when there is nothing to train. The first that is trained.
torch::Tensor first_trainable(const torch::nn::Module& model) {
  const auto named = model.named_parameters();
  if (named.is_empty())
    throw Fault(ExitCode::kConfig, "the model has no parameters, so there is nothing to train",
                "Register them: register_module(), register_parameter()");
  for (const auto& item : named)
    if (item.value().requires_grad()) return item.value();
  throw Fault(ExitCode::kConfig,
              fmt::format("none of the model's parameters has requires_grad, so there is nothing to train "
                          "(the first is {})",
                          named[0].key()),
              "Leave requires_grad of those that shall be trained as it is");
}

}  // namespace

ModelArena::ModelArena(torch::nn::Module& model) {
  first_trainable(model);
  options_ = model.named_parameters()[0].value().options().requires_grad(false);
  lay_out_all(model);
}

ModelArena::ModelArena(torch::nn::Module& model, const Share& share)
    : options_(first_trainable(model).options().requires_grad(false).dtype(share.dtype)), share_(share) {
  lay_out_all(model);
}

std::vector<std::unique_ptr<ModelArena>> ModelArena::for_each_dtype(torch::nn::Module& model) {
  std::vector<torch::ScalarType> dtypes = {first_trainable(model).scalar_type()};
  const auto add = [&](const torch::Tensor& tensor) {
    const bool known = std::ranges::find(dtypes, tensor.scalar_type()) != dtypes.end();
    if (tensor.is_floating_point() && !known) dtypes.push_back(tensor.scalar_type());
  };
  for (const torch::Tensor& parameter : model.parameters()) add(parameter);
  for (const torch::Tensor& buffer : model.buffers()) add(buffer);
  std::vector<std::unique_ptr<ModelArena>> arenas;
  for (const torch::ScalarType dtype : dtypes)
    arenas.emplace_back(new ModelArena(model, Share{dtype, arenas.empty()}));
  return arenas;
}

void ModelArena::lay_out_all(torch::nn::Module& model) {
  lay_out_parameters(model, /*trainable=*/true);
  // What ranks may have in common is whole pages.
  end_ = rounded_up(end_, kPageBytes / static_cast<std::int64_t>(options_.dtype().itemsize()));
  trainable_end_ = end_;
  lay_out_buffers(model);
  buffer_end_ = end_;
  lay_out_parameters(model, /*trainable=*/false);
  move_to(zeros_from_a_page_on(end_, options_), /*writes_trainable=*/true);
  std::map<std::string, const ArenaEntry*> by_name;
  for (const auto* entries : {&trainable_, &frozen_})
    for (const ArenaEntry& entry : *entries) by_name[entry.name] = &entry;
  for (const auto& item : model.named_parameters())
    if (const auto found = by_name.find(item.key()); found != by_name.end())
      parameters_.push_back(*found->second);
}

bool ModelArena::is_mine(const std::string& name, const torch::Tensor& tensor) const {
  const auto wanted = c10::typeMetaToScalarType(options_.dtype());
  if (tensor.scalar_type() == wanted) return true;
  if (share_) return false;
  throw Fault(ExitCode::kConfig,
              fmt::format("{} is {}, the other parameters are {}", name, c10::toString(tensor.scalar_type()),
                          c10::toString(wanted)),
              "Give all floating-point parameters and buffers of the model one dtype");
}

void ModelArena::lay_out_parameters(const torch::nn::Module& model, bool trainable) {
  std::set<const void*> seen;
  for (const auto& item : model.named_parameters()) {
    if (!is_mine(item.key(), item.value())) continue;
    if (!seen.insert(item.value().unsafeGetTensorImpl()).second) continue;
    if (item.value().requires_grad() != trainable) continue;
    (trainable ? trainable_ : frozen_).push_back(lay_out(item.key(), item.value()));
    (trainable ? trainable_tensors_ : frozen_tensors_).push_back(item.value());
  }
}

void ModelArena::lay_out_buffers(const torch::nn::Module& model) {
  std::set<const void*> seen;
  for (const auto& item : model.named_buffers()) {
    if (!seen.insert(item.value().unsafeGetTensorImpl()).second) continue;
    if (!item.value().is_floating_point()) {
      if (!share_ || share_->first) integers_.emplace_back(item.key(), item.value());
      continue;
    }
    if (!is_mine(item.key(), item.value())) continue;
    buffers_.push_back(lay_out(item.key(), item.value()));
    buffer_tensors_.push_back(item.value());
  }
}

ArenaEntry ModelArena::lay_out(const std::string& name, const torch::Tensor& tensor) {
  const auto element = static_cast<std::int64_t>(tensor.element_size());
  const bool large = tensor.numel() * element >= kPageFrom;
  end_ = rounded_up(end_, (large ? kPageBytes : kAlignBytes) / element);
  ArenaEntry entry{name, tensor.sizes().vec(), end_, tensor.numel()};
  end_ += rounded_up(tensor.numel(), kAlignBytes / element);
  return entry;
}

void ModelArena::move_to(const torch::Tensor& values, bool writes_trainable) {
  torch::NoGradGuard no_grad;
  values_ = values;
  const auto move_in = [&](const std::vector<ArenaEntry>& entries, std::vector<torch::Tensor>& tensors,
                           bool writes) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      const torch::Tensor place = view(values_, entries[i]);
      if (writes) place.copy_(tensors[i]);
      tensors[i].set_data(place);
    }
  };
  move_in(trainable_, trainable_tensors_, writes_trainable);
  move_in(buffers_, buffer_tensors_, true);
  move_in(frozen_, frozen_tensors_, true);
}

void ModelArena::require_intact() const {
  const auto* const memory = static_cast<const std::byte*>(values_.const_data_ptr());
  const auto look = [&](const std::vector<ArenaEntry>& entries, const std::vector<torch::Tensor>& tensors,
                        std::optional<bool> trainable) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (trainable && tensors[i].requires_grad() != *trainable)
        throw Fault(ExitCode::kConfig,
                    fmt::format("requires_grad of {} became {} while the run was under way", entries[i].name,
                                *trainable ? "false" : "true"),
                    "Set it in the model's constructor. To freeze or thaw layers later, stop the run, and "
                    "resume it with resume.allow_changes=[model.frozen]");
      const auto place = static_cast<std::size_t>(entries[i].offset) * values_.element_size();
      if (entries[i].count > 0 && tensors[i].const_data_ptr() != memory + place)
        throw Fault(ExitCode::kConfig,
                    fmt::format("the memory of {} was replaced while the run was under way", entries[i].name),
                    "Change it in place (copy_), or leave it to the optimizer; no set_data() or to() in "
                    "forward()");
    }
  };
  look(trainable_, trainable_tensors_, true);
  look(frozen_, frozen_tensors_, false);
  look(buffers_, buffer_tensors_, std::nullopt);
}

torch::Tensor ModelArena::new_contribution() const {
  return torch::zeros({contribution_count()}, options_);
}

torch::Tensor ModelArena::view(const torch::Tensor& flat, const ArenaEntry& entry) {
  return flat.narrow(0, entry.offset, entry.count).view(entry.shape);
}

}  // namespace lockstep
