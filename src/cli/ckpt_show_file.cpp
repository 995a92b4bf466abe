// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/ckpt_common.h"
#include "cli/ckpt_verbs.h"
#include "exchange/formats/foreign_file.h"
#include "exchange/formats/json_value.h"
#include "exchange/formats/state_dict.h"
#include "exchange/weights.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

// Sorted by name: the ordered kind takes quadratic time, and a file may hold any number of values.
using SortedJson = nlohmann::json;

SortedJson row(const std::string& name, std::string_view dtype, const Shape& shape,
               const std::string& alias_of) {
  SortedJson out{{"name", name}, {"dtype", dtype}, {"shape", shape}};
  if (!alias_of.empty()) out["same_as"] = alias_of;
  return out;
}

SortedJson describe(const ForeignFile& file, const std::string& path) {
  const StateDict all = flatten_state_dict(file.root(), path);
  SortedJson out{{"file", path},
                 {"format", file.format()},
                 {"tensors", SortedJson::array()},
                 {"values", SortedJson::object()}};
  for (const NamedTensor& tensor : all.tensors)
    out["tensors"].push_back(row(tensor.name, tensor.tensor->dtype, tensor.tensor->shape, tensor.alias_of));
  for (const NamedValue& other : all.others) out["values"][other.name] = SortedJson(json_of(*other.value));
  return out;
}

SortedJson describe_hdf5(const std::string& path) {
  const auto source = read_weights_file(path);
  SortedJson out{
      {"file", path}, {"format", "hdf5"}, {"tensors", SortedJson::array()}, {"values", SortedJson::object()}};
  if (source->step()) out["values"]["step"] = source->step()->value;
  for (const WeightsTensor& tensor : source->tensors())
    out["tensors"].push_back(row(tensor.key.name, name_of(tensor.dtype), tensor.shape, tensor.alias_of));
  return out;
}

}  // namespace

void show_file(const std::string& path, bool json) {
  const auto foreign = open_if_foreign(path);
  const SortedJson file = foreign ? describe(*foreign, path) : describe_hdf5(path);
  if (json) return print(file.dump(2, ' ', false, SortedJson::error_handler_t::replace) + "\n");
  print(fmt::format("file    {}\nformat  {}\n", printable(path), std::string(file["format"])));
  // Those of nested dicts (an optimizer has hundreds) are in the JSON.
  for (const auto& [name, value] : file["values"].items())
    if (name.find('.') == std::string::npos)
      print(fmt::format("{:<7} {}\n", printable(name),
                        printable(value.dump(-1, ' ', false, SortedJson::error_handler_t::replace))));
  print(fmt::format("\n{} tensors\n", file["tensors"].size()));
  for (const SortedJson& tensor : file["tensors"]) {
    const std::string same = tensor.contains("same_as") ? "  = " + std::string(tensor["same_as"]) : "";
    print(fmt::format("  {:<52} {:<10} {}{}\n", printable(std::string(tensor["name"])),
                      std::string(tensor["dtype"]), shape_text(tensor["shape"].get<Shape>()),
                      printable(same)));
  }
}

}  // namespace lockstep
