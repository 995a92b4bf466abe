// SPDX-License-Identifier: Apache-2.0
#include "image_disk.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "small_disk.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace lockstep::testing {
namespace {

namespace fs = std::filesystem;

// What xfs wants at least. The files are sparse: only what is written takes room.
constexpr std::uintmax_t kBackingBytes = 1200u << 20;
constexpr std::uintmax_t kImageBytes = 320u << 20;

void must(const std::vector<std::string>& command) {
  const ProcessResult result = run(command);
  if (result.code != 0) throw std::runtime_error(command[0] + ": " + result.err);
}

void make_sparse(const std::string& path, std::uintmax_t bytes) {
  write_file(path, "");
  fs::resize_file(path, bytes);
}

void make_file_system(ImageDisk::Kind kind, const std::string& image) {
  if (kind == ImageDisk::Kind::kXfs)
    must({"mkfs.xfs", "-q", "-m", "reflink=1", image});
  else
    must({"mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1,lazy_journal_init=1", image});
}

void mount_image(ImageDisk::Kind kind, const std::string& image, const std::string& folder) {
  fs::create_directories(folder);
  // A clone has the identity of what it was cloned from, which xfs mounts once only.
  const char* const options[] = {"loop", "loop,data=journal", "loop,nouuid"};
  must({"mount", "-o", options[static_cast<int>(kind)], image, folder});
}

void unmount(const std::string& folder) {
  // Somebody (a virus scanner, a file indexer) may still look into it: then it goes with the last one.
  if (::umount2(folder.c_str(), 0) != 0) ::umount2(folder.c_str(), MNT_DETACH);
}

std::string folder_in_memory() {
  const fs::path base = fs::is_directory("/dev/shm") ? "/dev/shm" : fs::temp_directory_path();
  std::string pattern = (base / "lockstep-image-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed: " + pattern);
  return pattern;
}

}  // namespace

std::string ImageDisk::missing() {
  if (::geteuid() != 0) return "mounting an image needs root";
  if (!fs::exists("/dev/loop-control")) return "there is no /dev/loop-control";
  for (const char* tool : {"mkfs.xfs", "mkfs.ext4"})
    if (run({"bash", "-c", std::string("command -v ") + tool}).code != 0)
      return std::string(tool) + " is not installed (xfsprogs, e2fsprogs)";
  try {
    const TempDir folder;
    const ImageDisk probe(Kind::kExt4, folder / "disk");
  } catch (const std::exception& error) {
    return std::string("no file system can be mounted from an image: ") + error.what();
  }
  return "";
}

ImageDisk::ImageDisk(Kind kind, std::string folder) : kind_(kind), folder_(std::move(folder)) {
  enter_own_mounts();
  backing_ = folder_in_memory();
  outer_ = backing_ + "/outer";
  try {
    make_sparse(backing_ + "/xfs", kBackingBytes);
    make_file_system(Kind::kXfs, backing_ + "/xfs");
    mount_image(Kind::kXfs, backing_ + "/xfs", outer_);
    make_sparse(path("image"), kImageBytes);
    make_file_system(kind_, path("image"));
    mount_image(kind_, path("image"), folder_);
  } catch (...) {
    unmount(outer_);
    fs::remove_all(backing_);
    throw;
  }
}

ImageDisk::~ImageDisk() {
  unmount(folder_);
  unmount(outer_);
  std::error_code ignored;
  fs::remove_all(backing_, ignored);
}

void ImageDisk::cut() {
  const std::string clone = path("cut." + std::to_string(cuts_));
  const int from = ::open(path("image").c_str(), O_RDONLY | O_CLOEXEC);
  const int to = ::open(clone.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const int cloned = ::ioctl(to, FICLONE, from);
  const int error = errno;
  ::close(from);
  ::close(to);
  if (cloned != 0) throw std::runtime_error("cloning the image: " + std::string(std::strerror(error)));
  ++cuts_;
}

std::shared_ptr<void> ImageDisk::mount_cut(int number, const std::string& folder) const {
  mount_image(kind_, path("cut." + std::to_string(number)), folder);
  return {nullptr, [folder](void*) { unmount(folder); }};
}

}  // namespace lockstep::testing
