// SPDX-License-Identifier: Apache-2.0
#include "train/start_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <set>

#include "lockstep/base/error.h"
#include "parallel/arena.h"

namespace lockstep {
namespace {

bool matches_any(const std::string& name, const std::vector<std::string>& globs) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return ::fnmatch(glob.c_str(), name.c_str(), 0) == 0; });
}

// A tied tensor is listed under its first name only, as in the files.
std::map<std::string, torch::Tensor> tensors_of(torch::nn::Module& model) {
  std::map<std::string, torch::Tensor> tensors;
  std::set<const void*> seen;
  for (const auto& items : {model.named_parameters(), model.named_buffers()})
    for (const auto& item : items)
      if (seen.insert(item.value().unsafeGetTensorImpl()).second) tensors.emplace(item.key(), item.value());
  return tensors;
}

const std::string& first_name(const WeightsTensor& tensor) {
  return tensor.alias_of.empty() ? tensor.key.name : tensor.alias_of;
}

[[noreturn]] void refuse(const std::string& name, const std::string& what) {
  throw Fault(ExitCode::kConfig, fmt::format("weights: {}: {}", name, what),
              "Use the model they were made for, or name such tensors in model.weights_skip");
}

}  // namespace

std::vector<std::string> fill_model(torch::nn::Module& model, const WeightsSource& source,
                                    const std::vector<std::string>& skip) {
  torch::NoGradGuard no_grad;
  auto wanted = tensors_of(model);
  std::vector<std::string> skipped;
  std::erase_if(wanted, [&](const auto& item) {
    if (!matches_any(item.first, skip)) return false;
    skipped.push_back(item.first);
    return true;
  });
  // A tied tensor has several names in a file of Python's, and here only one of them.
  std::set<std::string> taken;
  for (const WeightsTensor& stored : source.tensors())
    if (wanted.contains(stored.key.name)) taken.insert(first_name(stored));
  for (const WeightsTensor& stored : source.tensors()) {
    const std::string& name = stored.key.name;
    if (matches_any(name, skip)) continue;
    const auto found = wanted.find(name);
    if (found == wanted.end() && taken.contains(first_name(stored))) continue;
    if (found == wanted.end()) refuse(name, "the file has it, the model does not");
    if (found->second.sizes() != c10::IntArrayRef(stored.shape))
      refuse(name, fmt::format("shape [{}] in the file, [{}] in the model", fmt::join(stored.shape, ", "),
                               fmt::join(found->second.sizes(), ", ")));
    const torch::Tensor host = torch::empty(stored.shape, scalar_type_of(stored.dtype));
    source.read(name, {static_cast<std::byte*>(host.data_ptr()), host.nbytes()});
    found->second.copy_(host);
    wanted.erase(found);
  }
  if (!wanted.empty()) refuse(wanted.begin()->first, "the model has it, the file does not");
  return skipped;
}

}  // namespace lockstep
