// SPDX-License-Identifier: Apache-2.0
#include "train/parameter_order.h"

#include <algorithm>
#include <numeric>

namespace lockstep {

namespace {

std::vector<std::size_t> in_order_of_file(const std::vector<FileParameter>& parameters,
                                          const std::vector<std::string>& file_order) {
  std::vector<std::size_t> order(parameters.size());
  std::iota(order.begin(), order.end(), 0);
  if (std::is_sorted(file_order.begin(), file_order.end())) return order;
  std::map<std::string, std::size_t> place;
  for (std::size_t i = 0; i < file_order.size(); ++i) place.try_emplace(file_order[i], i);
  if (std::all_of(parameters.begin(), parameters.end(),
                  [&](const FileParameter& parameter) { return place.contains(parameter.name); }))
    std::stable_sort(order.begin(), order.end(), [&](std::size_t one, std::size_t other) {
      return place.at(parameters[one].name) < place.at(parameters[other].name);
    });
  return order;
}

std::size_t size_of_group(const PyValue& group) {
  const PyValue* parameters = group.find("params");
  return parameters == nullptr ? 0 : parameters->items.size();
}

// Are the file's groups as large as those of the parameters in this order?
bool groups_fit(const std::vector<FileParameter>& parameters, const std::vector<std::size_t>& order,
                const OptimizerState& optimizer) {
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const bool next = i == 0 || parameters[order[i]].group != parameters[order[i - 1]].group;
    if (next) sizes.push_back(0);
    ++sizes.back();
  }
  return std::equal(sizes.begin(), sizes.end(), optimizer.groups.begin(), optimizer.groups.end(),
                    [](std::size_t ours, const PyValue* theirs) { return ours == size_of_group(*theirs); });
}

}  // namespace

std::vector<std::size_t> order_of_optimizer(const std::vector<FileParameter>& parameters,
                                            const std::vector<std::string>& file_order,
                                            const OptimizerState& optimizer, const PyValue& root) {
  std::vector<std::size_t> order = in_order_of_file(parameters, file_order);
  if (optimizer.groups.size() <= 1) return order;
  std::vector<std::size_t> by_group = order;
  std::stable_sort(by_group.begin(), by_group.end(), [&](std::size_t one, std::size_t other) {
    return parameters[one].group < parameters[other].group;
  });
  if (groups_fit(parameters, by_group, optimizer)) return by_group;
  const bool nano_gpt = root.find("iter_num") != nullptr && root.find("model_args") != nullptr;
  if (!nano_gpt || optimizer.groups.size() != 2) return {};
  const auto others = std::stable_partition(order.begin(), order.end(),
                                            [&](std::size_t i) { return parameters[i].dimensions >= 2; });
  if (others - order.begin() != static_cast<std::ptrdiff_t>(size_of_group(*optimizer.groups[0]))) return {};
  return order;
}

}  // namespace lockstep
