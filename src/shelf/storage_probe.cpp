// SPDX-License-Identifier: Apache-2.0
#include "shelf/storage_probe.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "base/aligned_block.h"
#include "base/disk_abilities.h"
#include "base/folder_owner.h"
#include "lockstep/base/error.h"
#include "shelf/probe_folder.h"
#include "shelf/storage_limits.h"
#include "shelf/usable_folder.h"

namespace lockstep {

namespace {

class Probe {
 public:
  Probe(Disk& disk, const std::string& folder) : disk_(disk), folder_(folder), place_(disk, folder) {}

  std::vector<StorageFinding> run() {
    const StorageLimits limits(disk_, place_);
    const bool usable = look("owner", *this, &Probe::owner) && look("writing", *this, &Probe::writing);
    if (!usable) return std::move(findings_);
    look("O_DIRECT", *this, &Probe::direct);
    look("rename", *this, &Probe::rename);
    look("flock", *this, &Probe::lock);
    look("folder fsync", *this, &Probe::folder_sync);
    look("room ahead", *this, &Probe::room_ahead);
    look("holes", *this, &Probe::holes);
    look("names", limits, &StorageLimits::names);
    look("free space", limits, &StorageLimits::space);
    look("free inodes", limits, &StorageLimits::inodes);
    look("file size", limits, &StorageLimits::file_size);
    return std::move(findings_);
  }

 private:
  // False when no run can use the folder for what was seen.
  template <class Looker, class Look>
  bool look(const char* what, Looker& looker, Look look) {
    StorageFinding finding;
    try {
      finding = std::invoke(look, looker);
    } catch (const Fault& fault) {
      finding = {StorageGrade::kBad, "", fault.fact(), fault.remedy()};
    }
    finding.what = what;
    findings_.push_back(finding);
    return finding.grade != StorageGrade::kBad;
  }

  StorageFinding owner() {
    refuse_folder_of_another(folder_);
    if (folder_.ends_with("/ckpt")) refuse_folder_of_another(parent_of(folder_));
    return StorageFinding::ok("this user may", "a run may write here");
  }

  // Writes a block and takes it back; returns the alignment that the file ended with.
  std::size_t write_and_read(std::unique_ptr<WritableFile> file, const std::string& path, bool direct) {
    AlignedBlock out(kDirectAlignment), in(kDirectAlignment);
    std::ranges::fill(out.bytes(), std::byte{0xA5});
    file->reserve(out.bytes().size());
    file->write_at(0, out.bytes());
    file->sync();
    const std::size_t alignment = file->alignment();
    file->close();
    (direct ? disk_.open_direct(path) : disk_.open(path))->read_at(0, in.bytes());
    if (!std::ranges::equal(out.bytes(), in.bytes()))
      throw Fault(ExitCode::kRunDirectory, "a block reads back other than it was written",
                  "Keep no checkpoints on this disk");
    return alignment;
  }

  StorageFinding writing() {
    place_.make();
    write_and_read(disk_.create(place_.at("1")), place_.at("1"), /*direct=*/false);
    return StorageFinding::ok("written, synced and read back", "");
  }

  StorageFinding direct() {
    const std::size_t alignment =
        write_and_read(disk_.create_direct(place_.at("2")), place_.at("2"), /*direct=*/true);
    if (alignment == 1)
      return StorageFinding::warn(
          "not there", "checkpoints go through the page cache: slower, and the memory of others goes");
    const auto asked = disk_limits(place_.at("2")).direct_alignment;
    return StorageFinding::ok(fmt::format("in steps of {} bytes{}", alignment,
                                          asked ? fmt::format(" (it asks for {})", *asked) : ""),
                              "checkpoints are written around the page cache");
  }

  // Of a file over another one, and of a folder, as commits do.
  StorageFinding rename() {
    for (const char* text : {"old", "new"}) replace_text(disk_, place_.at("latest"), text);
    disk_.make_directory(place_.at("staging"));
    disk_.rename(place_.at("staging"), place_.at("step"));
    disk_.sync_directory(place_.path());
    if (read_text(disk_, place_.at("latest")) != "new" || !disk_.info(place_.at("step")) ||
        disk_.info(place_.at("staging")))
      return StorageFinding::bad("a renamed file or folder is not where it should be",
                                 "choose another disk for run.dir");
    return StorageFinding::ok("in place, of files and folders", "a checkpoint is there whole or not at all");
  }

  StorageFinding lock() {
    if (const auto reason = why_no_lock(place_.at("1")))
      return StorageFinding::warn(
          "not there: " + *reason,
          "nothing keeps a second job out of a run; see to it yourself that there is none");
    return StorageFinding::ok("held by one at a time", "a second job on a run is refused (77)");
  }

  StorageFinding folder_sync() {
    // What is fatal to a run throws here.
    disk_.sync_directory(place_.path());
    if (const auto reason = why_no_folder_sync(place_.path()))
      return StorageFinding::warn("not there: " + *reason,
                                  "a power cut may take the newest checkpoint; the one before it stays");
    return StorageFinding::ok("done", "a committed checkpoint outlives a power cut");
  }

  StorageFinding room_ahead() {
    if (const auto reason = why_no_room_ahead(place_.at("3"), kLeastRoom))
      return StorageFinding::warn("not taken: " + *reason,
                                  "a full disk shows itself in the middle of a save, which then fails");
    return StorageFinding::ok("taken (fallocate)", "a full disk shows itself before a save writes");
  }

  // Small, because a limit on the size of files is for another line to tell.
  StorageFinding holes() {
    constexpr std::uint64_t kHole = 64u << 10;
    if (makes_holes(place_.at("4"), kHole)) return StorageFinding::ok("a length takes no room", "");
    return StorageFinding::warn("not there",
                                "where no room is taken ahead, a checkpoint is written twice: once as zeros");
  }

  Disk& disk_;
  std::string folder_;
  ProbeFolder place_;
  std::vector<StorageFinding> findings_;
};

}  // namespace

std::vector<StorageFinding> probe_storage(Disk& disk, const std::string& folder) {
  return Probe(disk, folder).run();
}

}  // namespace lockstep
