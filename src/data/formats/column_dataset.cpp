// SPDX-License-Identifier: Apache-2.0
#include "data/formats/column_dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "data/batch_layout.h"
#include "data/class_labels.h"
#include "data/formats/column_part.h"
#include "data/formats/field_reader.h"
#include "data/refuse.h"
#include "data/spec_digest.h"
#include "lockstep/base/error.h"
#include "lockstep/base/log.h"

namespace lockstep {
namespace {

constexpr const char* kInput = "input";
constexpr const char* kTarget = "target";
// What people name it, in the order in which they are tried.
constexpr std::array kTargetNames = {kTarget, "y", "label", "labels"};

// What of a file is read, once its arrays are known.
struct Plan {
  std::vector<ColumnName> columns;
  std::string target;
};

std::string shown(const std::vector<ColumnName>& columns) {
  std::vector<std::string> names;
  for (const ColumnName& column : columns) names.push_back(printable(column.field));
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string find_target(const ColumnChoice& choice, const std::vector<ColumnName>& columns) {
  const auto has = [&](const std::string& name) {
    return std::ranges::any_of(columns, [&](const ColumnName& column) { return column.field == name; });
  };
  if (!choice.has_target) {
    std::string free = kTarget;
    while (has(free)) free += '_';
    return free;
  }
  if (!choice.target.empty()) {
    if (has(choice.target)) return choice.target;
    refuse_option(fmt::format("data.target is {}, which is no field of the data; they are {}",
                              printable(choice.target), shown(columns)),
                  "Name one of them.");
  }
  for (const char* name : kTargetNames)
    if (has(name)) return name;
  refuse_option(fmt::format("which field of the data is the target? They are {}", shown(columns)),
                "Name it: data.target.");
}

// For files of inputs alone, which may have targets all the same.
bool may_be_target(const ColumnChoice& choice, const std::string& name) {
  if (!choice.target.empty()) return name == choice.target;
  return std::ranges::find(kTargetNames, name) != kTargetNames.end();
}

Plan plan_for(const ColumnChoice& choice, const ColumnFile& first) {
  Plan plan;
  std::map<std::string, std::string> lengths = choice.lengths;
  const auto add = [&](const std::string& field, const std::string& array) {
    const auto own = lengths.extract(field);
    plan.columns.push_back({field, array, own.empty() ? "" : own.mapped()});
  };
  const auto is_length = [&](const std::string& array) {
    return std::ranges::any_of(choice.lengths, [&](const auto& entry) { return entry.second == array; });
  };
  for (const auto& [field, array] : choice.fields) add(field, array);
  if (choice.fields.empty())
    for (const std::string& name : first.names())
      // Lengths come with their field, as NAME_length.
      if (!is_length(name) && (choice.has_target || !may_be_target(choice, name))) add(name, name);
  for (const auto& [field, array] : choice.lengths)
    if (std::ranges::any_of(plan.columns,
                            [&](const ColumnName& column) { return column.field == length_name(field); }))
      refuse_option(fmt::format("data.lengths makes a field {}, and the data has one of that name",
                                printable(length_name(field))),
                    "Name fields in data.fields, and leave that one out.");
  if (!lengths.empty())
    refuse_option(fmt::format("data.lengths names {}, which is no field of the data; they are {}",
                              printable(lengths.begin()->first), shown(plan.columns)),
                  "Give it fields of data.fields and the arrays with the lengths of their samples.");
  if (plan.columns.empty())
    throw Fault(ExitCode::kInputMissing, "the file has no array of inputs",
                "Name its arrays in data.fields.");
  plan.target = find_target(choice, plan.columns);
  return plan;
}

class ColumnDataset : public Dataset {
 public:
  ColumnDataset(const FileSet& files, const ColumnChoice& choice, const DataOptions& options,
                const OpenColumns& open)
      : taken_(describe(files)), options_(options), is_pair_(choice.is_pair) {
    for (const FoundFile& found : files.files) add(found, choice, open);
    make_readers(choice);
    for (const ColumnPart& part : parts_) check_labels(part);
  }

  std::int64_t size() const override { return starts_.back(); }
  std::vector<Field> fields() const override { return fields_; }
  std::string target_field() const override { return plan_.target; }

  SampleSpec spec() const override {
    const Field& input = fields_.at(0);
    const Field target = target_of(*this);
    return {input.dtype, input.shape, target.dtype, target.shape};
  }

  void sample(const SampleContext& context, Sample& into) const override {
    const std::size_t number = part_of(context.index);
    const ColumnPart& part = parts_[number];
    const std::int64_t index = context.index - starts_[number];
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      const Field& field = fields_[i];
      const auto bytes =
          field.varies() ? into.bytes(field.name, part.length(i, index)) : into.bytes(field.name);
      readers_[i].read(part.column(i), part.first_row(i, index), bytes);
    }
    if (fields_.size() > readers_.size()) (void)into.bytes(plan_.target);
  }

  Digest fingerprint() const override {
    Hasher hasher;
    // As it was when these were all there was: fingerprints are kept in checkpoints.
    if (is_pair_)
      update_spec(hasher, spec());
    else
      update_fields(hasher, layout_of(*this));
    for (const FieldReader& reader : readers_) reader.add_to(hasher);
    // Of the files, not the values: reading them all through a library would take minutes.
    hasher.update(content_.fingerprint());
    return hasher.digest();
  }

  std::string place_of(std::int64_t index) const override {
    const std::size_t number = part_of(index);
    const std::string place = fmt::format("{}, row {}", parts_[number].path(), index - starts_[number]);
    return is_pair_ ? fmt::format("{} of {}", place, plan_.columns[0].array) : place;
  }

  std::string description() const override {
    if (is_pair_)
      return fmt::format("{}: {} samples, inputs {} as {}", taken_, size(), plan_.columns[0].array,
                         name_of(fields_[0].dtype));
    std::vector<std::string> texts;
    for (const Field& field : fields_)
      texts.push_back(fmt::format("{}{} {} {}", field.name == plan_.target ? "target " : "",
                                  printable(field.name), name_of(field.dtype), shape_text(field.shape)));
    return fmt::format("{}: {} samples of {}", taken_, size(), fmt::join(texts, ", "));
  }

  std::vector<DataFile> files() const override { return content_.files(); }
  void check_unchanged() const override { content_.check_unchanged(); }

 private:
  void add(const FoundFile& found, const ColumnChoice& choice, const OpenColumns& open) {
    MappedFile mapped(found.path);
    auto file = open(mapped);
    if (parts_.empty()) plan_ = plan_for(choice, *file);
    parts_.emplace_back(std::move(file), found.path, plan_.columns);
    if (!parts_.front().is_like(parts_.back()))
      refuse_data_file(found.path,
                       fmt::format("has other dtypes or row shapes than {}", parts_.front().path()),
                       "Files that are read as one need the same kind of rows.");
    starts_.push_back(starts_.back() + parts_.back().samples());
    // The mapping moves, its bytes stay where they are.
    content_.append(std::move(mapped), 0, found.name);
  }

  void make_readers(const ColumnChoice& choice) {
    bool normalized = false;
    for (std::size_t i = 0; i < plan_.columns.size(); ++i) {
      const ColumnName& column = plan_.columns[i];
      const bool as_numbers = is_pair_ || !options_.integer_inputs;
      const FieldUse use = column.field == plan_.target ? FieldUse::kTarget
                           : as_numbers                 ? FieldUse::kNumbers
                                                        : FieldUse::kAsStored;
      readers_.emplace_back(parts_.front().column(i), use, !column.lengths.empty(), options_);
      fields_.push_back({column.field, readers_.back().dtype(), readers_.back().shape()});
      normalized = normalized || readers_.back().is_normalized();
    }
    if (!choice.has_target) fields_.push_back({plan_.target, DType::kInt64, {0}});
    if (!normalized) refuse_normalize(options_);
    (void)layout_of(*this);
  }

  // One class a sample, and few enough that reading them all takes no time.
  void check_labels(const ColumnPart& part) const {
    constexpr std::int64_t kMost = std::int64_t{1} << 22;
    const ClassLabels classes(options_);
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      const Field& field = fields_[i];
      const bool read = classes.are_known() && field.name == plan_.target && !is_floating(field.dtype) &&
                        field.shape.empty() && part.samples() <= kMost;
      if (!read) continue;
      std::vector<std::int64_t> labels(static_cast<std::size_t>(part.samples()));
      part.column(i).read_rows(0, DType::kInt64, std::as_writable_bytes(std::span(labels)));
      for (std::size_t row = 0; row < labels.size(); ++row)
        classes.check(labels[row], part.path(), static_cast<std::int64_t>(row));
    }
  }

  std::size_t part_of(std::int64_t index) const {
    check(index >= 0 && index < size(), "a sample lies inside its dataset");
    return static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), index) -
                                    starts_.begin()) -
           1;
  }

  std::string taken_;  // the files, for people
  DataOptions options_;
  bool is_pair_;         // "input" and "target", as all samples were before fields had names
  JoinedFiles content_;  // the files' bytes: for fingerprint and change, and what columns read from
  Plan plan_;
  std::vector<ColumnPart> parts_;
  std::vector<std::int64_t> starts_{0};  // of each part, then the end
  std::vector<FieldReader> readers_;     // one a column
  std::vector<Field> fields_;
};

}  // namespace

ColumnChoice ColumnChoice::named(const DataOptions& options) {
  return {options.fields, options.target, options.lengths};
}

ColumnChoice ColumnChoice::named_inputs(const DataOptions& options) {
  ColumnChoice choice = named(options);
  choice.has_target = false;
  for (const char* name : kTargetNames)
    if (choice.target.empty() && choice.fields.contains(name)) choice.target = name;
  choice.fields.erase(choice.target);
  choice.lengths.erase(choice.target);
  return choice;
}

ColumnChoice ColumnChoice::pair(const DataFiles& names) {
  ColumnChoice choice{{{kInput, names.inputs}}, "", {}, !names.labels.empty(), /*is_pair=*/true};
  if (choice.has_target) choice.fields[kTarget] = names.labels;
  return choice;
}

std::unique_ptr<Dataset> open_columns(const FileSet& files, const ColumnChoice& choice,
                                      const DataOptions& options, const OpenColumns& open) {
  return std::make_unique<ColumnDataset>(files, choice, options, open);
}

}  // namespace lockstep
