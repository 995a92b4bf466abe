// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>
#include <vector>

#include "data/class_labels.h"
#include "data/file_set.h"
#include "data/formats/builtin.h"
#include "data/hold_out.h"
#include "data/joined_files.h"
#include "data/normalizer.h"
#include "data/refuse.h"
#include "data/spec_digest.h"
#include "lockstep/base/error.h"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRecord = 1 + 3 * 32 * 32;
constexpr int kClasses = 10;

SampleSpec cifar_spec() {
  return {DType::kFloat32, {3, 32, 32}, DType::kInt64, {}};
}

void check_records(const MappedFile& file, const DataOptions& options) {
  const auto bytes = file.bytes();
  if (bytes.empty() || bytes.size() % kRecord != 0)
    refuse_data_file(
        file.path(),
        fmt::format("has {} bytes, expected a multiple of {} (one label and 3 x 32 x 32 values)",
                    bytes.size(), kRecord),
        "Use the binary version of CIFAR-10, unpacked; the file may have been cut off while copied.");
  // A label outside would index past the outputs, far from here and hard to trace back.
  for (std::size_t at = 0; at < bytes.size(); at += kRecord)
    if (const int label = std::to_integer<int>(bytes[at]); label >= kClasses && label != options.ignore_label)
      refuse_data_file(
          file.path(),
          fmt::format("record {} has label {}, expected 0 to {}", at / kRecord, label, kClasses - 1),
          "The file is damaged, or of another format (CIFAR-100 has two labels).");
  const ClassLabels classes(options);
  for (std::size_t at = 0; at < bytes.size(); at += kRecord)
    classes.check(std::to_integer<std::int64_t>(bytes[at]), file.path(),
                  static_cast<std::int64_t>(at / kRecord));
}

class Cifar10Dataset : public Dataset {
 public:
  Cifar10Dataset(const std::vector<std::string>& paths, const DataOptions& options)
      : normalizer_(options, cifar_spec()) {
    for (const std::string& path : paths) {
      MappedFile file(path);
      check_records(file, options);
      files_.append(std::move(file));
    }
  }

  std::int64_t size() const override { return static_cast<std::int64_t>(files_.size() / kRecord); }
  SampleSpec spec() const override { return cifar_spec(); }

  void sample(std::int64_t index, std::span<std::byte> input, std::span<std::byte> target) const override {
    std::array<std::byte, kRecord> record;
    check(index >= 0 && index < size(), "a sample lies inside its dataset");
    files_.copy(static_cast<std::uint64_t>(index) * kRecord, record);
    *reinterpret_cast<std::int64_t*>(target.data()) = std::to_integer<std::int64_t>(record[0]);
    normalizer_.from_bytes(std::span(record).subspan(1), input);
  }

  Digest fingerprint() const override {
    Hasher hasher;
    update_spec(hasher, spec());
    normalizer_.add_to(hasher);
    hasher.update(files_.fingerprint());
    return hasher.digest();
  }

  std::string place_of(std::int64_t index) const override {
    const auto [path, offset] = files_.place_of(static_cast<std::uint64_t>(index) * kRecord);
    return fmt::format("{}, record {}", path, offset / kRecord);
  }
  std::string description() const override {
    return fmt::format("{} files, {} images of 3 x 32 x 32", files_.count(), size());
  }
  std::vector<DataFile> files() const override { return files_.files(); }
  void check_unchanged() const override { files_.check_unchanged(); }

 private:
  Normalizer normalizer_;
  JoinedFiles files_;
};

// A folder stands for the files CIFAR-10 comes in.
std::vector<std::string> batch_files(const std::vector<std::string>& paths, DataPart part) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    const std::size_t before = files.size();
    for (const FoundFile& found : find_files({path}).files) {
      const std::string& file = found.path;
      const std::string name = fs::path(file).filename().string();
      const bool train = name.starts_with("data_batch_") && name.ends_with(".bin");
      if (part == DataPart::kTrain ? train : name == "test_batch.bin") files.push_back(file);
    }
    if (files.size() == before)
      refuse_data_file(path,
                       fmt::format("the folder holds no {}",
                                   part == DataPart::kTrain ? "data_batch_*.bin" : "test_batch.bin"),
                       "Name the folder that the binary version of CIFAR-10 unpacks to, or a list of files.");
  }
  return files;
}

}  // namespace

std::unique_ptr<Dataset> open_cifar10(const DataOptions& options, DataPart part) {
  if (options.train.paths.empty())
    refuse_option("data.type cifar10 needs data.train.path", "Name a folder or files.");
  DataOptions named = options;
  std::error_code error;
  const std::string& first = options.train.paths.front();
  // The downloaded folder has its own validation part.
  if (options.valid.empty() && options.holdout_every == 0 && options.train.paths.size() == 1 &&
      fs::is_regular_file(fs::path(first) / "test_batch.bin", error))
    named.valid = named.train;
  // What is held out comes from the training files.
  const DataPart named_part = options.holdout_every > 0 ? DataPart::kTrain : part;
  return open_part(named, part, [&](const DataFiles& files) {
    return std::make_unique<Cifar10Dataset>(batch_files(files.paths, named_part), options);
  });
}

}  // namespace lockstep
