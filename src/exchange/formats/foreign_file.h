// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>

#include "exchange/formats/value.h"
#include "lockstep/base/disk.h"

namespace lockstep {

// A file of PyTorch's world, open for reading: what torch.save wrote, or safetensors. The file may be
// hostile: it is checked when it is opened, and after that every tensor lies inside it. Local; one thread at
// a time.
class ForeignFile {
 public:
  virtual ~ForeignFile() = default;

  // "pth", "pth (legacy)" or "safetensors".
  virtual std::string format() const = 0;
  // What the file holds. It may be walked without care (check_tree). For safetensors a dict of tensors.
  virtual const PyValue& root() const = 0;
  // Fills `bytes` (Bug unless as many as the tensor has) with a tensor of this file, row-major. Throws Fault
  // (65) when they differ from a checksum kept with them, (74) on a read error.
  virtual void read(const TensorRef& tensor, std::span<std::byte> bytes) const = 0;
};

// The dtype and the bytes of a tensor. Throws Fault (65), calling it `name`, for a dtype Lockstep does not
// have.
DType readable_dtype(const TensorRef& tensor, const std::string& name);
std::uint64_t byte_count(const TensorRef& tensor);

// Is it a file open_foreign_file() takes, by its first bytes? False when it cannot be read at all.
bool is_foreign_file(const std::string& path);
// Local. open_foreign_file(), or null where is_foreign_file() says no: for whoever reads both kinds.
std::unique_ptr<ForeignFile> open_if_foreign(const std::string& path);

// Opens a .pth of either layout, a .safetensors or the index of a sharded one, told apart by content. Links
// in the path are followed. Throws Fault (65) with what is wrong, (66) when nothing is there.
std::unique_ptr<ForeignFile> open_foreign_file(const std::string& path);

}  // namespace lockstep
