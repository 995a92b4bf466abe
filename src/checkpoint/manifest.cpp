// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/manifest.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "checkpoint/digest.h"
#include "lockstep/base/error.h"

namespace lockstep {

namespace {

using Json = nlohmann::ordered_json;

// The tail has a fixed length, so that it is found without parsing a text that may be damaged.
constexpr std::string_view kTailStart = "\"manifest_digest\": \"";
constexpr std::string_view kTailEnd = "\"\n}\n";
constexpr std::size_t kTailBytes = kTailStart.size() + 32 + kTailEnd.size();

// JSON has no NaN and no infinity: both are written as null and come back as NaN.
Json numbers(const std::map<std::string, double>& values) {
  Json out = Json::object();
  for (const auto& [name, value] : values) out[name] = value;
  return out;
}

// Lets two runs be compared without their configs; the config itself is kept for the comparison key by key.
Digest config_digest(const std::map<std::string, std::string>& config) {
  Hasher hasher;
  for (const auto& [key, value] : config) {
    hasher.update(key);
    hasher.update(std::string_view("\0", 1));
    hasher.update(value);
    hasher.update(std::string_view("\0", 1));
  }
  return hasher.digest();
}

void put_record(Json& out, const TrainRecord& record, int format) {
  out["run_id"] = record.run_id;
  out["step"] = record.step.value;
  out["epoch"] = record.epoch.value;
  out["steps_per_epoch"] = record.steps_per_epoch;
  out["loss"] = record.loss;
  out["lr"] = record.lr;
  out["seed"] = record.seed;
  out["micro_batches"] = record.micro_batches;
  out["world"] = record.world.value;
  out["attempt"] = record.attempt.value;
  out["metrics"] = numbers(record.metrics);
  out["best"] = numbers(record.best);
  out["config_digest"] = config_digest(record.config).hex();
  out["config"] = record.config;
  out["environment"] = record.environment;
  out["metadata"] = Json::parse(record.metadata);
  if (!record.parameter_order.empty()) out["parameter_order"] = record.parameter_order;
  if (format < 3) return;
  out["epoch_offset"] = record.epoch_offset;
  out["epoch_samples"] = record.epoch_samples;
  out["eval_modules"] = record.eval_modules;
  out["frozen"] = record.frozen;
  out["extra"] = Json::parse(record.extra);
  check(out["extra"].is_object(), "a record's extra is a JSON object");
}

// One line a tensor: a manifest is read by people and compared by diff. Written by hand, because thousands of
// objects made for their text alone would be half the time of a save of small tensors.
class Lines {
 public:
  // Starts a line; what is added until the next one is its content.
  std::string& next() { return text_ += first_ ? (first_ = false, "[\n    ") : ",\n    "; }
  std::string take() { return first_ ? "[]" : text_ + "\n  ]"; }

 private:
  std::string text_;
  bool first_ = true;
};

std::string quoted(const std::string& text) {
  return Json(text).dump();
}

std::string file_lines(const Manifest& manifest) {
  Lines lines;
  for (const ManifestFile& file : manifest.files)
    lines.next() += fmt::format(R"({{"name":{},"length":{},"digest":"{}"}})", quoted(file.name), file.bytes,
                                file.digest.hex());
  return lines.take();
}

// A whole tensor needs no list: most are whole, and its piece has its digest.
std::string place_of(const ManifestTensor& tensor) {
  check(!tensor.pieces.empty(), "a tensor lies somewhere");
  if (!tensor.split())
    return fmt::format(R"("file":{},"offset":{})", quoted(tensor.pieces.front().file),
                       tensor.pieces.front().offset);
  std::vector<std::string> pieces;
  for (const ManifestPiece& piece : tensor.pieces)
    pieces.push_back(fmt::format(R"({{"file":{},"offset":{},"first_row":{},"rows":{},"digest":"{}"}})",
                                 quoted(piece.file), piece.offset, piece.first_row, piece.rows,
                                 piece.digest.hex()));
  return fmt::format(R"("pieces":[{}])", fmt::join(pieces, ","));
}

std::string tensor_lines(const Manifest& manifest) {
  Lines lines;
  for (const ManifestTensor& tensor : manifest.tensors)
    lines.next() += fmt::format(R"({{"name":{},"group":{},"dtype":"{}","shape":[{}],{},"digest":"{}"}})",
                                quoted(tensor.key.name), quoted(tensor.key.group()), name_of(tensor.dtype),
                                fmt::join(tensor.shape, ","), place_of(tensor), tensor.digest.hex());
  return lines.take();
}

}  // namespace

std::string write_manifest(const Manifest& manifest) {
  std::string text = "{\n";
  try {
    Json head;
    head["format"] = manifest.format;
    head["layout"] = manifest.layout;
    put_record(head, manifest.record, manifest.format);
    head["state_hash"] = manifest.state_hash.hex();
    for (const auto& [name, value] : head.items())
      text += "  " + Json(name).dump() + ": " + value.dump() + ",\n";
    text += "  \"files\": " + file_lines(manifest) + ",\n";
    text += "  \"tensors\": " + tensor_lines(manifest) + ",\n  ";
  } catch (const Json::exception& error) {
    throw Fault(ExitCode::kConfig,
                std::string("the checkpoint's manifest cannot be written as JSON: ") + error.what(),
                "Names, config values and run.metadata must be valid UTF-8");
  }
  return text + std::string(kTailStart) + digest_of(text).hex() + std::string(kTailEnd);
}

std::optional<Digest> manifest_digest(const std::string& text) {
  if (text.size() < kTailBytes) return std::nullopt;
  const std::string_view tail = std::string_view(text).substr(text.size() - kTailBytes);
  if (!tail.starts_with(kTailStart) || !tail.ends_with(kTailEnd)) return std::nullopt;
  const std::string_view hex = tail.substr(kTailStart.size(), 32);
  const auto digest = Digest::from_hex(hex);
  // Compared as text, so that no second spelling of the same digest passes.
  return digest && digest->hex() == hex ? digest : std::nullopt;
}

std::uint64_t byte_count(const ManifestTensor& tensor, const ManifestPiece& piece) {
  return byte_count(rows_of(tensor, piece.rows));
}

}  // namespace lockstep
