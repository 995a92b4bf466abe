// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "checkpoint/manifest.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/log.h"
#include "untrusted/bounded_json.h"

namespace lockstep {

namespace {

using Json = nlohmann::ordered_json;

// Far above what is ever written, and low enough that a hostile text costs no more than its own size.
constexpr JsonLimits kLimits{.depth = 80, .values = 8'000'000};
constexpr std::size_t kMaxTensors = 250'000;
constexpr std::size_t kMaxFiles = 100'000;
constexpr std::size_t kMaxName = 64 * 1024;
constexpr std::size_t kMaxDimensions = 32;

// Reads members of one JSON object; every complaint names the file and the member. Note [names are data]:
// nothing read here is used as a path but the names of `files`, and those have no slash.
class Members {
 public:
  Members(const Json& object, std::string origin) : object_(object), origin_(std::move(origin)) {
    if (!object_.is_object()) refuse("an object was expected");
  }

  [[noreturn]] void refuse(const std::string& reason) const {
    throw Fault(ExitCode::kNoValidCheckpoint, origin_ + ": " + printable(reason));
  }
  const Json& at(const char* name) const {
    const auto found = object_.find(name);
    if (found == object_.end()) refuse(std::string("no member \"") + name + "\"");
    return *found;
  }
  bool has(const char* name) const { return object_.contains(name); }
  Members member(const Json& item) const { return Members(item, origin_); }
  std::string text(const char* name) const {
    const Json& value = at(name);
    if (!value.is_string()) refuse(std::string("\"") + name + "\" is not a text");
    return value.get<std::string>();
  }
  std::string short_text(const char* name) const {
    std::string value = text(name);
    if (value.empty() || value.size() > kMaxName)
      refuse(std::string("\"") + name + "\" is empty or too long");
    return value;
  }
  std::int64_t integer(const char* name, std::int64_t least) const {
    return integer_in(at(name), name, least);
  }
  std::int64_t integer_in(const Json& value, const char* name, std::int64_t least) const {
    constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    const bool fits =
        value.is_number_integer() && (!value.is_number_unsigned() || value.get<std::uint64_t>() <= kMost);
    if (!fits || value.get<std::int64_t>() < least)
      refuse(std::string("\"") + name + "\" is not an integer of at least " + std::to_string(least));
    return value.get<std::int64_t>();
  }
  std::uint64_t unsigned_integer(const char* name) const {
    const Json& value = at(name);
    if (!value.is_number_unsigned()) refuse(std::string("\"") + name + "\" is not an integer of at least 0");
    return value.get<std::uint64_t>();
  }
  double number(const char* name) const { return number_in(at(name), name); }
  double number_in(const Json& value, const char* name) const {
    // What write_manifest makes of NaN and infinity.
    if (value.is_null()) return std::nan("");
    if (!value.is_number()) refuse(std::string("\"") + name + "\" is not a number");
    return value.get<double>();
  }
  Digest digest(const char* name) const {
    const std::string hex = text(name);
    const auto digest = Digest::from_hex(hex);
    if (!digest) refuse(std::string("\"") + name + "\" is not a digest");
    return *digest;
  }
  const Json& list(const char* name, std::size_t limit) const {
    const Json& value = at(name);
    if (!value.is_array()) refuse(std::string("\"") + name + "\" is not a list");
    if (value.size() > limit)
      refuse(std::string("\"") + name + "\" has " + std::to_string(value.size()) + " items, at most " +
             std::to_string(limit) + " are read");
    return value;
  }
  std::map<std::string, double> numbers(const char* name) const {
    std::map<std::string, double> out;
    for (const auto& [key, value] : Members(at(name), origin_).object_.items())
      out[key] = number_in(value, name);
    return out;
  }
  // A JSON object, as text.
  std::string object(const char* name) const {
    const Json& value = at(name);
    if (!value.is_object()) refuse(std::string("\"") + name + "\" is not an object");
    return value.dump();
  }
  // A list of texts.
  std::vector<std::string> names(const char* name) const {
    std::vector<std::string> out;
    for (const Json& value : list(name, kMaxTensors)) {
      if (!value.is_string()) refuse(std::string("\"") + name + "\" holds something that is not a text");
      out.push_back(value.get<std::string>());
    }
    return out;
  }
  std::map<std::string, std::string> texts(const char* name) const {
    std::map<std::string, std::string> out;
    for (const auto& [key, value] : Members(at(name), origin_).object_.items()) {
      if (!value.is_string()) refuse(std::string("\"") + name + "\" holds something that is not a text");
      out[key] = value.get<std::string>();
    }
    return out;
  }

 private:
  const Json& object_;
  std::string origin_;
};

// Formats 1 and 2 count steps alone. Their whole steps of an epoch are its samples; a key that the flat
// config lacks had its default.
void derive_place(TrainRecord& record) {
  const auto given = record.config.find("train.global_batch");
  std::int64_t batch = given == record.config.end() ? 0 : std::strtoll(given->second.c_str(), nullptr, 10);
  if (batch < 1) batch = 64;
  const std::int64_t steps = std::max<std::int64_t>(record.steps_per_epoch, 1);
  const std::int64_t in_epoch = record.step.value == 0 ? 0 : (record.step.value - 1) % steps + 1;
  const bool sane = steps <= std::numeric_limits<std::int64_t>::max() / batch;
  record.epoch_offset = sane ? in_epoch * batch : 0;
  record.epoch_samples = sane ? steps * batch : 0;
}

// What came with format 3.
void parse_format_3(const Members& in, TrainRecord& record) {
  record.epoch_samples = in.integer("epoch_samples", 0);
  record.epoch_offset = in.integer("epoch_offset", 0);
  if (record.epoch_offset > record.epoch_samples) in.refuse("\"epoch_offset\" is beyond the epoch's samples");
  record.eval_modules = in.names("eval_modules");
  record.frozen = in.names("frozen");
  record.extra = in.object("extra");
}

TrainRecord parse_record(const Members& in, int format) {
  constexpr std::int64_t kMaxInt = std::numeric_limits<int>::max();
  TrainRecord record;
  record.run_id = in.text("run_id");
  record.step = Step{in.integer("step", 0)};
  record.epoch = Epoch{in.integer("epoch", 0)};
  record.steps_per_epoch = in.integer("steps_per_epoch", 0);
  record.loss = in.number("loss");
  record.lr = in.number("lr");
  record.seed = in.unsigned_integer("seed");
  record.micro_batches = in.integer("micro_batches", 1);
  record.world = WorldSize{static_cast<int>(std::min(in.integer("world", 1), kMaxInt))};
  record.attempt = Attempt{static_cast<int>(std::min(in.integer("attempt", 0), kMaxInt))};
  record.metrics = in.numbers("metrics");
  record.best = in.numbers("best");
  record.config = in.texts("config");
  record.environment = in.texts("environment");
  record.metadata = in.at("metadata").dump();
  if (in.has("parameter_order")) record.parameter_order = in.names("parameter_order");
  if (format < 3)
    derive_place(record);
  else
    parse_format_3(in, record);
  return record;
}

// Lengths by name, and their sum, which no tensor's bytes exceed.
struct FileLengths {
  std::map<std::string, std::uint64_t> by_name;
  std::uint64_t sum = 0;

  explicit FileLengths(const std::vector<ManifestFile>& files) {
    for (const ManifestFile& file : files) {
      by_name[file.name] = file.bytes;
      // A sum that does not fit 64 bits is one that only a forged manifest claims.
      if (__builtin_add_overflow(sum, file.bytes, &sum)) sum = std::numeric_limits<std::uint64_t>::max();
    }
  }
};

std::vector<ManifestFile> parse_files(const Members& in, const std::string& origin) {
  std::vector<ManifestFile> files;
  std::set<std::string> seen;
  // The one place where a name becomes part of a path.
  for (const Json& item : in.list("files", kMaxFiles)) {
    const Members file(item, origin);
    const std::string name = file.short_text("name");
    if (name.find('/') != std::string::npos || name.find('\0') != std::string::npos || name[0] == '.' ||
        name == kManifestFile)
      file.refuse("\"" + name + "\" is no name for a file of a checkpoint");
    if (!seen.insert(name).second) file.refuse("file \"" + name + "\" is listed twice");
    files.push_back({name, file.unsigned_integer("length"), file.digest("digest")});
  }
  return files;
}

// Only one level below optimizer/ and extra/: each is a group of the HDF5 file.
TensorKey parse_key(const Members& tensor, int format) {
  const std::string group = tensor.short_text("group");
  TensorKey key{"", tensor.short_text("name")};
  if (group == "model") return key;
  const std::size_t slash = group.find('/');
  const std::string above = group.substr(0, slash);
  const std::string below = slash == std::string::npos ? "" : group.substr(slash + 1);
  const bool known = above == "optimizer" || (above == "extra" && format >= 3);
  if (!known || below.empty() || below.find('/') != std::string::npos)
    tensor.refuse("unknown group \"" + group + "\"");
  (above == "extra" ? key.section : key.slot) = below;
  return key;
}

// The shape, once its bytes are known to fit `limit`: nothing is allocated for a shape a file only claims.
Shape parse_shape(const Members& tensor, DType dtype, std::uint64_t limit) {
  // Tensors without elements are bounded as well, so that no product of dimensions overflows later.
  constexpr std::uint64_t kMostWhenEmpty = std::uint64_t{1} << 50;
  const Json& items = tensor.list("shape", kMaxDimensions);
  Shape shape;
  for (const Json& item : items) shape.push_back(tensor.integer_in(item, "shape", 0));
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  std::uint64_t left = empty ? kMostWhenEmpty : limit / size_of(dtype);
  for (const std::int64_t dimension : shape)
    left /= static_cast<std::uint64_t>(std::max<std::int64_t>(dimension, 1));
  if (left == 0 && (empty || limit < size_of(dtype) || !shape.empty()))
    tensor.refuse("the shape claims more bytes than its file has");
  return shape;
}

// The rows of a split tensor, which must be all of them, once and in order.
void parse_pieces(const Members& in, ManifestTensor& tensor) {
  if (!in.has("pieces")) {
    const std::int64_t rows = tensor.shape.empty() ? 1 : tensor.shape[0];
    tensor.pieces = {{in.text("file"), in.unsigned_integer("offset"), 0, rows, tensor.digest}};
    return;
  }
  const std::string path = tensor.key.path();
  if (tensor.shape.empty()) in.refuse("tensor " + path + " has no dimension to be split in");
  std::int64_t next = 0;
  for (const Json& item : in.list("pieces", kMaxFiles)) {
    const Members piece = in.member(item);
    const std::int64_t rows = piece.integer("rows", 1);
    if (piece.integer("first_row", 0) != next || rows > tensor.shape[0] - next)
      in.refuse("the pieces of tensor " + path + " are not its rows in order");
    tensor.pieces.push_back(
        {piece.text("file"), piece.unsigned_integer("offset"), next, rows, piece.digest("digest")});
    next += rows;
  }
  if (next != tensor.shape[0] || tensor.pieces.empty())
    in.refuse("the pieces of tensor " + path + " are not all of its rows");
}

void refuse_outside(const Members& in, const ManifestTensor& tensor, const ManifestPiece& piece,
                    const FileLengths& files) {
  const auto file = files.by_name.find(piece.file);
  if (file == files.by_name.end()) in.refuse("tensor " + tensor.key.path() + " lies in no file of the list");
  const std::uint64_t bytes = byte_count(tensor, piece);
  if (piece.offset > file->second || bytes > file->second - piece.offset)
    in.refuse("tensor " + tensor.key.path() + " reaches beyond the end of " + piece.file);
}

ManifestTensor parse_tensor(const Members& in, const FileLengths& files, int format) {
  ManifestTensor tensor;
  tensor.key = parse_key(in, format);
  const auto dtype = dtype_from_name(in.text("dtype"));
  if (!dtype)
    in.refuse("tensor " + tensor.key.path() + " has the unknown dtype \"" + in.text("dtype") + "\"");
  tensor.dtype = *dtype;
  tensor.shape = parse_shape(in, tensor.dtype, files.sum);
  tensor.digest = in.digest("digest");
  parse_pieces(in, tensor);
  for (const ManifestPiece& piece : tensor.pieces) refuse_outside(in, tensor, piece, files);
  return tensor;
}

// Verification reads a file front to back, tensor by tensor; two over the same bytes would be a forgery
// anyway.
void refuse_overlap(const Members& in, const std::vector<ManifestTensor>& tensors) {
  struct Place {
    const ManifestTensor* tensor;
    const ManifestPiece* piece;
  };
  std::vector<Place> order;
  for (const ManifestTensor& tensor : tensors)
    for (const ManifestPiece& piece : tensor.pieces)
      if (byte_count(tensor, piece) > 0) order.push_back({&tensor, &piece});
  std::sort(order.begin(), order.end(), [](const Place& a, const Place& b) {
    return std::tie(a.piece->file, a.piece->offset) < std::tie(b.piece->file, b.piece->offset);
  });
  for (std::size_t i = 1; i < order.size(); ++i) {
    const auto& [tensor, piece] = order[i - 1];
    if (order[i].piece->file == piece->file &&
        order[i].piece->offset - piece->offset < byte_count(*tensor, *piece))
      in.refuse("tensors " + tensor->key.path() + " and " + order[i].tensor->key.path() + " overlap");
  }
}

std::vector<ManifestTensor> parse_tensors(const Members& in, const FileLengths& files, int format) {
  std::vector<ManifestTensor> tensors;
  for (const Json& item : in.list("tensors", kMaxTensors)) {
    tensors.push_back(parse_tensor(in.member(item), files, format));
    if (tensors.size() > 1 && tensors[tensors.size() - 2].key.path() >= tensors.back().key.path())
      in.refuse("tensor " + tensors.back().key.path() + " is out of order or listed twice");
  }
  refuse_overlap(in, tensors);
  return tensors;
}

}  // namespace

Manifest parse_manifest(const std::string& text, const std::string& origin) {
  const auto claimed = manifest_digest(text);
  if (!claimed)
    throw Fault(ExitCode::kNoValidCheckpoint,
                origin + ": " + std::to_string(text.size()) +
                    " bytes that do not end with a manifest digest: truncated or damaged");
  const std::string_view covered = std::string_view(text).substr(0, text.rfind("\"manifest_digest\""));
  if (digest_of(covered) != *claimed && !fault_requested("guard.skip_digest"))
    throw Fault(ExitCode::kNoValidCheckpoint, origin + ": its bytes differ from the digest it ends with");
  const Json json = parse_bounded_json(text, origin, kLimits);
  const Members in(json, origin);
  Manifest manifest;
  // First of all: of a newer format nothing else is known.
  const std::int64_t format = in.integer("format", 1);
  if (format > kNewestFormat)
    in.refuse("checkpoint format " + std::to_string(format) + ", but this Lockstep reads up to " +
              std::to_string(kNewestFormat) + "; use the Lockstep release that writes format " +
              std::to_string(format) + ", or a later one");
  manifest.format = static_cast<int>(format);
  manifest.layout = in.text("layout");
  if (manifest.layout != kConsolidated && manifest.layout != kSharded)
    in.refuse("unknown layout \"" + manifest.layout + "\"");
  manifest.record = parse_record(in, manifest.format);
  manifest.state_hash = in.digest("state_hash");
  manifest.files = parse_files(in, origin);
  manifest.tensors = parse_tensors(in, FileLengths(manifest.files), manifest.format);
  manifest.digest = *claimed;
  return manifest;
}

}  // namespace lockstep
