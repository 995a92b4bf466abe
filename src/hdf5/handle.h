// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <hdf5.h>

#include <string>
#include <string_view>
#include <utility>

#include "lockstep/base/error.h"

namespace lockstep {

// Owns one HDF5 identifier. Only files of this folder include this header, so hdf5.h stays here.
class Hdf5Handle {
 public:
  using Closer = herr_t (*)(hid_t);

  Hdf5Handle(hid_t id, Closer closer) : id_(id), closer_(closer) {}
  ~Hdf5Handle() { reset(); }
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), closer_(other.closer_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(closer_, other.closer_);
    return *this;
  }

  hid_t get() const { return id_; }
  // Closes now and says whether that worked; a destructor cannot.
  bool reset() { return id_ < 0 || closer_(std::exchange(id_, -1)) >= 0; }

 private:
  hid_t id_;
  Closer closer_;
};

// Turns HDF5's return codes into Faults with one exit code and one subject ("runs/a/weights.h5"), and keeps
// HDF5 from printing. Local. HDF5 serialises its calls, so sessions may live on several threads.
class Hdf5Session {
 public:
  Hdf5Session(ExitCode code, std::string subject);

  // Takes ownership of a fresh identifier. Throws Fault when it is negative.
  Hdf5Handle own(hid_t id, Hdf5Handle::Closer closer, std::string_view doing) const;
  // Throws Fault when `result` is negative.
  void ok(long long result, std::string_view doing) const;
  // Throws Fault with the innermost message of HDF5's own error stack.
  [[noreturn]] void fail(std::string_view doing) const;
  // Throws Fault about the content of the file, not about a call.
  [[noreturn]] void refuse(const std::string& reason) const;

 private:
  ExitCode code_;
  std::string subject_;
};

}  // namespace lockstep
