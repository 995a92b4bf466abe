// SPDX-License-Identifier: Apache-2.0
#include "loop/outside_holders.h"

#include <map>

namespace lockstep {
namespace {

// The module's own tensors over one memory, and what these are views of.
struct Holders {
  std::vector<std::string> names;
  std::set<const void*> tensors;
  std::map<const void*, std::size_t> views;  // of each base, how many
};

// A base that its views alone hold is out of anybody's reach.
std::size_t known(const Holders& holders, const std::map<const void*, std::size_t>& uses) {
  std::size_t count = holders.tensors.size();
  for (const auto& [base, views] : holders.views)
    if (!holders.tensors.contains(base) && uses.at(base) <= views) ++count;
  return count;
}

}  // namespace

std::vector<std::string> held_elsewhere(const torch::nn::Module& module,
                                        const std::set<const void*>& passed_over) {
  std::map<const c10::StorageImpl*, Holders> memory;
  std::map<const void*, std::size_t> uses;  // of each base
  const auto note = [&](const auto& named) {
    for (const auto& item : named) {
      const torch::Tensor& tensor = item.value();
      if (!tensor.defined() || !tensor.has_storage() || tensor.numel() == 0) continue;
      Holders& holders = memory[tensor.storage().unsafeGetStorageImpl()];
      if (!holders.tensors.insert(tensor.unsafeGetTensorImpl()).second) continue;
      if (!passed_over.contains(tensor.unsafeGetTensorImpl())) holders.names.push_back(item.key());
      if (!tensor.is_view()) continue;
      const at::TensorBase& base = tensor._base();
      ++holders.views[base.unsafeGetTensorImpl()];
      uses[base.unsafeGetTensorImpl()] = base.use_count();
    }
  };
  note(module.named_parameters());
  note(module.named_buffers());
  std::vector<std::string> names;
  for (const auto& [storage, holders] : memory)
    if (c10::raw::intrusive_ptr::use_count(const_cast<c10::StorageImpl*>(storage)) > known(holders, uses))
      names.insert(names.end(), holders.names.begin(), holders.names.end());
  return names;
}

}  // namespace lockstep
