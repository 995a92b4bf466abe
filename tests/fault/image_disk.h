// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace lockstep::testing {

// A real file system in an image file, mounted through a loop device where only this process and its children
// see it. The image lies on an xfs of its own in memory, where it can be cloned in one moment.
//
// Note [power cut]: what the kernel has not yet given to the device is not in the image, so that a clone of
// the image is the disk as a power cut at that moment leaves it: half-written saves, files without their
// bytes, names without their files, and a journal to be recovered. Nothing is stopped for it, calls of fsync
// go on meanwhile.
class ImageDisk {
 public:
  enum class Kind { kExt4, kExt4Journal, kXfs };  // kExt4Journal: data=journal, which has no O_DIRECT

  // Why this machine cannot have one: no root, no loop device, no tools. Empty: it can.
  static std::string missing();

  // Mounted on `folder`, which is made.
  ImageDisk(Kind kind, std::string folder);
  ~ImageDisk();
  ImageDisk(const ImageDisk&) = delete;
  ImageDisk& operator=(const ImageDisk&) = delete;

  // What a power cut leaves now; the clones are numbered from 0.
  void cut();
  int cuts() const { return cuts_; }

  // Mounts what a cut left on a folder that is made, for as long as the result lives; its journal is
  // recovered.
  std::shared_ptr<void> mount_cut(int number, const std::string& folder) const;

 private:
  std::string path(const std::string& name) const { return outer_ + "/" + name; }

  Kind kind_;
  std::string folder_;
  std::string backing_;  // the file in memory that holds the outer xfs
  std::string outer_;    // where that is mounted
  int cuts_ = 0;
};

}  // namespace lockstep::testing
