// SPDX-License-Identifier: Apache-2.0
#include "config/rows.h"

namespace lockstep {
namespace {

const std::vector<std::string> kWithPath = {"text", "tokens", "cifar10", "hdf5", "npz", kRegistered};
const std::vector<std::string> kWithParts = {"idx", "hdf5"};
const std::vector<std::string> kWithFields = {"hdf5", "npz"};

void add_part(std::vector<Row>& rows, const std::string& name, DataFiles DataOptions::*part) {
  const auto d = &RunConfig::data;
  const std::string of = part == &DataOptions::train ? "training" : "validation";
  // Free to move: whether the content is the same is told by its fingerprint, not by its place.
  rows.push_back(row("data." + name + ".path", d, part, &DataFiles::paths)
                     .as(KeyKind::kPaths)
                     .counts(0, 10'000)
                     .only("data.type", kWithPath)
                     .may_change()
                     .says("File, folder or list of files with the " + of + " data."));
  rows.push_back(row("data." + name + ".inputs", d, part, &DataFiles::inputs)
                     .only("data.type", kWithParts)
                     .may_change()
                     .says("idx: file with the " + of + " inputs; hdf5: name of their dataset, such as /x."));
  rows.push_back(row("data." + name + ".labels", d, part, &DataFiles::labels)
                     .only("data.type", kWithParts)
                     .may_change()
                     .says("idx: file with the " + of + " labels; hdf5: name of their dataset, such as /y."));
}

}  // namespace

std::vector<Row> data_file_rows() {
  std::vector<Row> rows;
  rows.push_back(
      row("data.type", &RunConfig::data, &DataOptions::type)
          .one_of({"text", "tokens", "idx", "cifar10", "hdf5", "npz", "synthetic"})
          .such_as("synthetic")
          .says("Format of the data, always given; synthetic: made up. A program may register more."));
  add_part(rows, "train", &DataOptions::train);
  add_part(rows, "valid", &DataOptions::valid);
  const auto d = &RunConfig::data;
  rows.push_back(
      row("data.fields", d, &DataOptions::fields)
          .only("data.type", kWithFields)
          .says("Names of fields, and of the arrays they are; npz: without it all, under their own."));
  rows.push_back(row("data.target", d, &DataOptions::target)
                     .derived_from("target, y, label or labels, whichever there is")
                     .only("data.type", kWithFields)
                     .says("The field that the loss compares the model's outputs with."));
  rows.push_back(
      row("data.lengths", d, &DataOptions::lengths)
          .only("data.type", kWithFields)
          .says("Fields whose samples differ in length, and the arrays with the lengths of all samples."));
  return rows;
}

std::vector<Row> data_content_rows() {
  const auto d = &RunConfig::data;
  using D = DataOptions;
  const std::vector<std::string> images = {"idx", "cifar10", "hdf5", "npz"};
  return {
      row("data.shuffle", d, &D::shuffle).says("A new order of the training samples every epoch."),
      row("data.workers", d, &D::workers)
          .in(between(1, 256), "threads")
          .may_change()
          .says("Threads of each rank that read samples ahead; the samples are the same with any number."),
      row("data.augment.flip", d, &D::augment, &ImageAugmentation::flip)
          .says("Images are flipped, left and right, for every other sample of training by chance."),
      row("data.augment.crop", d, &D::augment, &ImageAugmentation::crop)
          .in(between(0, 4096), "pixels")
          .says("Images of training are padded by as many on all sides, and cut to their size anywhere; 0: "
                "not."),
      row("data.ignore_label", d, &D::ignore_label)
          .says("Targets of this class count in no loss and no metric, such as -100 or a padding token."),
      row("data.token_dtype", d, &D::token_dtype)
          .one_of({"uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"})
          .derived_from("the file")
          .only("data.type", {"tokens"})
          .may_change()
          .says("Little-endian numbers in token files without a header."),
      row("data.holdout_every", d, &D::holdout_every)
          .in(between(0, 1e9), "files or samples")
          .says("Hold every n-th file (of text or tokens) or sample out for validation; 0: none."),
      row("data.normalize.mean", d, &D::mean)
          .counts(0, 4096)
          .only("data.type", images)
          .says("Subtracted from the inputs, one number a channel."),
      row("data.normalize.std", d, &D::std)
          .in(above(0))
          .counts(0, 4096)
          .only("data.type", images)
          .says("Then the inputs are divided by this, one number a channel."),
      row("data.samples", d, &D::samples)
          .in(between(1, 1e12), "samples")
          .only("data.type", {"synthetic"})
          .says("Samples made up; data.holdout_every takes its validation part from them."),
      row("data.input_shape", d, &D::input_shape)
          .in(between(1, 1 << 28), "values")
          .counts(0, 8)
          .derived_from("what the model takes")
          .only("data.type", {"synthetic"})
          .says("Shape of one input."),
      row("data.classes", d, &D::classes)
          .in(between(0, 1 << 24), "classes")
          .derived_from("what the model gives")
          .only("data.type", {"synthetic"})
          .says("Different labels; 0: regression, with data.targets numbers a sample."),
      row("data.targets", d, &D::targets)
          .in(between(1, 1 << 24), "values")
          .derived_from("what the model gives")
          .only("data.type", {"synthetic"})
          .says("Numbers to predict, where data.classes is 0."),
      row("data.params", d, &D::params)
          .only("data.type", {kRegistered})
          .says("Settings of a registered dataset, as it defines them."),
  };
}

}  // namespace lockstep
