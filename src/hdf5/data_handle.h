// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <hdf5.h>

#include <utility>

namespace lockstep::hdf5 {

// Owns one HDF5 identifier; `Close` is its H5?close. An invalid one (negative) may be held and asked for.
template <herr_t (*Close)(hid_t)>
class Handle {
 public:
  explicit Handle(hid_t id = -1) : id_(id) {}
  ~Handle() {
    if (id_ >= 0) Close(id_);
  }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }

  // False after a failing H5 call, whose negative result it holds.
  bool valid() const { return id_ >= 0; }
  // For the C calls; stays owned here.
  hid_t get() const { return id_; }

 private:
  hid_t id_;
};

// One alias for each kind of identifier that is read here.
using File = Handle<H5Fclose>;
using Data = Handle<H5Dclose>;
using Space = Handle<H5Sclose>;
using Type = Handle<H5Tclose>;
using Properties = Handle<H5Pclose>;

// While alive, failing calls of this thread print nothing: their codes become Faults.
class QuietErrors {
 public:
  QuietErrors() {
    H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~QuietErrors() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }
  // The settings are those of the thread it was made on: never moved.
  QuietErrors(const QuietErrors&) = delete;
  QuietErrors& operator=(const QuietErrors&) = delete;

 private:
  H5E_auto2_t function_ = nullptr;
  void* data_ = nullptr;
};

}  // namespace lockstep::hdf5
