// SPDX-License-Identifier: Apache-2.0
#include "hdf5/handle.h"

namespace lockstep {

namespace {

herr_t take_description(unsigned, const H5E_error2_t* error, void* into) {
  if (error->desc != nullptr) *static_cast<std::string*>(into) = error->desc;
  return 0;
}

}  // namespace

Hdf5Session::Hdf5Session(ExitCode code, std::string subject) : code_(code), subject_(std::move(subject)) {
  // A close that failed (a full disk, a file size limit) leaves identifiers behind, over which the library's
  // exit handler crashes. Counts only before its first other call.
  [[maybe_unused]] static const herr_t no_exit_handler = H5dont_atexit();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Hdf5Handle Hdf5Session::own(hid_t id, Hdf5Handle::Closer closer, std::string_view doing) const {
  if (id < 0) fail(doing);
  return {id, closer};
}

void Hdf5Session::ok(long long result, std::string_view doing) const {
  if (result < 0) fail(doing);
}

void Hdf5Session::fail(std::string_view doing) const {
  // Downward ends at the innermost error, the one that says why.
  std::string reason = "no reason given";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_DOWNWARD, take_description, &reason);
  throw Fault(code_, subject_ + ": HDF5 failed " + std::string(doing) + ": " + reason);
}

void Hdf5Session::refuse(const std::string& reason) const {
  throw Fault(code_, subject_ + ": " + reason);
}

}  // namespace lockstep
