// SPDX-License-Identifier: Apache-2.0
#include "train/start_weights.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <span>

#include "comm/agree.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"
#include "named/open_weights.h"
#include "parallel/arena.h"
#include "tensors/tensor_span.h"

namespace lockstep {

std::vector<ModelTensor> tensors_of(torch::nn::Module& model) {
  std::vector<ModelTensor> tensors;
  std::map<const void*, std::size_t> seen;
  for (const auto& items : {model.named_parameters(), model.named_buffers()})
    for (const auto& item : items) {
      const auto [place, fresh] = seen.try_emplace(item.value().unsafeGetTensorImpl(), tensors.size());
      if (fresh) tensors.push_back({{}, item.value()});
      tensors[place->second].names.push_back(item.key());
    }
  return tensors;
}

FilledModel fill_model(torch::nn::Module& model, const WeightsSource& source, const NameRules& rules) {
  torch::NoGradGuard no_grad;
  const std::vector<ModelTensor> wanted = tensors_of(model);
  std::vector<WeightsPlace> places;
  for (const ModelTensor& item : wanted)
    places.push_back({item.names, {dtype_of(item.tensor.scalar_type()), item.tensor.sizes().vec()}});
  Hasher contents;
  WeightsMatch match = match_weights(places, source, rules, Conversion::kWithin);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (match.from[i] == nullptr) continue;
    const torch::Tensor host = torch::empty(match.from[i]->shape, scalar_type_of(match.from[i]->dtype));
    const std::span bytes(static_cast<std::byte*>(host.data_ptr()), host.nbytes());
    source.read(match.from[i]->key.name, bytes);
    contents.update(wanted[i].names.front());
    contents.update(digest_of(bytes));
    torch::Tensor into = wanted[i].tensor;
    into.copy_(host);
  }
  for (const std::string& sentence : match.said) log_info("weights: {}", sentence);
  return {std::move(match.skipped), std::move(match.idle_skips), contents.digest()};
}

FilledModel fill_model(World& world, torch::nn::Module& model, const std::string& path,
                       const NameRules& rules) {
  FilledModel filled;
  together(world, [&] { filled = fill_model(model, *open_weights(path), rules); });
  agree_same(world, "what is read from " + path, filled.contents.hex(), ExitCode::kConfig);
  return filled;
}

std::vector<std::string> start_model(World& world, torch::nn::Module& model, const std::string& path,
                                     const NameRules& rules) {
  FilledModel filled = fill_model(world, model, path, rules);
  if (!filled.idle_skips.empty())
    throw AgreedFault(ExitCode::kConfig,
                      fmt::format("model.weights_skip: {} names no tensor of the model or of the file",
                                  fmt::join(filled.idle_skips, ", ")),
                      "Correct the name, or leave it out");
  return std::move(filled.skipped);
}

}  // namespace lockstep
