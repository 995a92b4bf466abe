// SPDX-License-Identifier: Apache-2.0
// Training data: the readers map a file by its path, so each input becomes one in memory that has a path.
#include <sys/mman.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "data/formats/inputs.h"
#include "data/host_batch.h"
#include "fuzz/entries.h"
#include "fuzz/refusal_code.h"
#include "lockstep/data/registry.h"

namespace lockstep {

namespace {

class NamedMemory {
 public:
  explicit NamedMemory(std::span<const std::byte> bytes) : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    check(descriptor_.get() >= 0, "a memory file can be made");
    const ssize_t written = ::write(descriptor_.get(), bytes.data(), bytes.size());
    check(written == static_cast<ssize_t>(bytes.size()), "a memory file takes what is written");
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_.get()); }

 private:
  Descriptor descriptor_;
};

// The first, the middle and the last sample.
Contents samples_of(const Dataset& dataset) {
  const BatchLayout layout = layout_of(dataset);
  Contents out;
  for (const std::int64_t index : {std::int64_t{0}, dataset.size() / 2, dataset.size() - 1}) {
    HostBatch batch;
    batch.shape(layout, 1);
    batch.fill(0, dataset, {.index = index});
    batch.finish();
    for (const HostField& field : batch.fields()) {
      Bytes& bytes = out[field.field.name + std::to_string(index)];
      bytes.assign(field.bytes.span().begin(), field.bytes.span().end());
    }
  }
  (void)dataset.fingerprint();
  return out;
}

}  // namespace

std::optional<Contents> fuzz_idx(std::span<const std::byte> bytes) {
  return unless_refused(ExitCode::kInputMissing, [&] {
    const NamedMemory file(bytes);
    DataOptions options;
    options.type = "idx";
    return samples_of(*open_inputs(options, file.path()));
  });
}

std::optional<Contents> fuzz_npz(std::span<const std::byte> bytes) {
  return unless_refused(ExitCode::kInputMissing, [&] {
    const NamedMemory file(bytes);
    DataOptions options;
    options.type = "npz";
    options.integer_inputs = true;
    return samples_of(*open_inputs(options, file.path()));
  });
}

std::optional<Contents> fuzz_hdf5_data(std::span<const std::byte> bytes) {
  return unless_refused(ExitCode::kInputMissing, [&] {
    const NamedMemory file(bytes);
    DataOptions options;
    options.type = "hdf5";
    options.train.inputs = "/x";
    options.integer_inputs = true;
    return samples_of(*open_inputs(options, file.path()));
  });
}

std::optional<Contents> fuzz_cifar10(std::span<const std::byte> bytes) {
  return unless_refused(ExitCode::kInputMissing, [&] {
    const NamedMemory file(bytes);
    DataOptions options;
    options.type = "cifar10";
    return samples_of(*open_inputs(options, file.path()));
  });
}

std::optional<Contents> fuzz_tokens(std::span<const std::byte> bytes) {
  return unless_refused(ExitCode::kInputMissing, [&] {
    const NamedMemory file(bytes);
    DataOptions options;
    options.type = "tokens";
    options.train.paths = {file.path()};
    options.context = 4;
    options.vocab = 256;
    // Without a header and a name that ends in .bin only what the config says is taken for raw.
    const std::string start(reinterpret_cast<const char*>(bytes.data()),
                            std::min<std::size_t>(6, bytes.size()));
    if (!start.starts_with("\x93NUMPY") && !start.starts_with("\x88\xd8\x34\x01") &&
        !start.starts_with("\xa1\xd9\x34\x01"))
      options.token_dtype = "uint16";
    return samples_of(*DatasetRegistry::with_builtin().open(options, DataPart::kTrain));
  });
}

}  // namespace lockstep
