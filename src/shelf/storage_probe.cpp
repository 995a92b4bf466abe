// SPDX-License-Identifier: Apache-2.0
#include "shelf/storage_probe.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "base/aligned_block.h"
#include "base/disk_abilities.h"
#include "base/folder_owner.h"
#include "lockstep/base/error.h"
#include "shelf/usable_folder.h"

namespace lockstep {

namespace {

// What no run does without, and below what most are in trouble soon.
constexpr std::uint64_t kLeastRoom = 1u << 20;
constexpr std::uint64_t kLittleRoom = 1u << 30;
constexpr std::uint64_t kFewInodes = 1000;
// A tag of 64 letters on its way to its place: "<tag>.part".
constexpr std::uint64_t kLongestName = 69;

class Probe {
 public:
  Probe(Disk& disk, const std::string& folder)
      : disk_(disk), folder_(folder), place_(fmt::format("{}/.lockstep-doctor-{}", folder, ::getpid())) {}
  ~Probe() {
    // Once more, because disks that fail are what this is for.
    if (!cleaned()) cleaned();
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  std::vector<StorageFinding> run() {
    const bool usable = look("owner", &Probe::owner) && look("writing", &Probe::writing);
    if (!usable) return std::move(findings_);
    look("O_DIRECT", &Probe::direct);
    look("rename", &Probe::rename);
    look("flock", &Probe::lock);
    look("folder fsync", &Probe::folder_sync);
    look("room ahead", &Probe::room_ahead);
    look("holes", &Probe::holes);
    look("names", &Probe::names);
    look("free space", &Probe::space);
    look("free inodes", &Probe::inodes);
    look("file size", &Probe::file_size);
    return std::move(findings_);
  }

 private:
  using Look = StorageFinding (Probe::*)();

  // False when no run can use the folder for what was seen.
  bool look(const char* what, Look look) {
    StorageFinding finding;
    try {
      finding = (this->*look)();
    } catch (const Fault& fault) {
      finding = {StorageGrade::kBad, "", fault.fact(), fault.remedy()};
    }
    finding.what = what;
    findings_.push_back(finding);
    return finding.grade != StorageGrade::kBad;
  }

  static StorageFinding ok(std::string found, std::string meaning) {
    return {StorageGrade::kOk, "", std::move(found), std::move(meaning)};
  }
  static StorageFinding warn(std::string found, std::string meaning) {
    return {StorageGrade::kWarn, "", std::move(found), std::move(meaning)};
  }
  static StorageFinding bad(std::string found, std::string meaning) {
    return {StorageGrade::kBad, "", std::move(found), std::move(meaning)};
  }
  std::string at(const std::string& name) const { return place_ + "/" + name; }

  bool cleaned() noexcept try {
    remove_tree(disk_, place_);
    return true;
  } catch (const Fault&) {
    return false;
  }

  StorageFinding owner() {
    refuse_folder_of_another(folder_);
    if (folder_.ends_with("/ckpt")) refuse_folder_of_another(parent_of(folder_));
    return ok("this user may", "a run may write here");
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
    remove_tree(disk_, place_);
    disk_.make_directory(place_);
    write_and_read(disk_.create(at("1")), at("1"), /*direct=*/false);
    return ok("written, synced and read back", "");
  }

  StorageFinding direct() {
    const std::size_t alignment = write_and_read(disk_.create_direct(at("2")), at("2"), /*direct=*/true);
    if (alignment == 1)
      return warn("not there",
                  "checkpoints go through the page cache: slower, and the memory of others goes");
    const auto asked = disk_limits(at("2")).direct_alignment;
    return ok(fmt::format("in steps of {} bytes{}", alignment,
                          asked ? fmt::format(" (it asks for {})", *asked) : ""),
              "checkpoints are written around the page cache");
  }

  // Of a file over another one, and of a folder, as commits do.
  StorageFinding rename() {
    for (const char* text : {"old", "new"}) replace_text(disk_, at("latest"), text);
    disk_.make_directory(at("staging"));
    disk_.rename(at("staging"), at("step"));
    disk_.sync_directory(place_);
    if (read_text(disk_, at("latest")) != "new" || !disk_.info(at("step")) || disk_.info(at("staging")))
      return bad("a renamed file or folder is not where it should be", "choose another disk for run.dir");
    return ok("in place, of files and folders", "a checkpoint is there whole or not at all");
  }

  StorageFinding lock() {
    if (const auto reason = why_no_lock(at("1")))
      return warn("not there: " + *reason,
                  "nothing keeps a second job out of a run; see to it yourself that there is none");
    return ok("held by one at a time", "a second job on a run is refused (77)");
  }

  StorageFinding folder_sync() {
    // What is fatal to a run throws here.
    disk_.sync_directory(place_);
    if (const auto reason = why_no_folder_sync(place_))
      return warn("not there: " + *reason,
                  "a power cut may take the newest checkpoint; the one before it stays");
    return ok("done", "a committed checkpoint outlives a power cut");
  }

  StorageFinding room_ahead() {
    if (const auto reason = why_no_room_ahead(at("3"), kLeastRoom))
      return warn("not taken: " + *reason,
                  "a full disk shows itself in the middle of a save, which then fails");
    return ok("taken (fallocate)", "a full disk shows itself before a save writes");
  }

  // Small, because a limit on the size of files is for another line to tell.
  StorageFinding holes() {
    constexpr std::uint64_t kHole = 64u << 10;
    if (makes_holes(at("4"), kHole)) return ok("a length takes no room", "");
    return warn("not there", "where no room is taken ahead, a checkpoint is written twice: once as zeros");
  }

  StorageFinding names() {
    const std::uint64_t longest = disk_limits(at("1")).name_bytes;
    if (longest < kLongestName)
      return warn(fmt::format("up to {} bytes", longest),
                  fmt::format("ckpt tag wants {} for its longest names", kLongestName));
    disk_.create(at(std::string(kLongestName, 'n')))->close();
    return ok(fmt::format("up to {} bytes", longest), "");
  }

  StorageFinding space() {
    const std::uint64_t free = disk_.free_bytes(place_);
    const std::string found = fmt::format("{:.1f} GiB", static_cast<double>(free) / (1u << 30));
    const char* how = "lockstep train --dry-run says what one checkpoint takes; have room for keep_last + 1";
    if (free < kLeastRoom) return bad(fmt::format("{} bytes", free), "free some, or choose another run.dir");
    return free < kLittleRoom ? warn(found, how) : ok(found, how);
  }

  StorageFinding inodes() {
    const auto free = disk_limits(at("1")).free_inodes;
    if (!free) return ok("not counted", "");
    const std::string found = std::to_string(*free);
    if (*free < kInodesOfARun) return bad(found, "remove files, or choose another run.dir");
    return *free < kFewInodes ? warn(found, "a checkpoint takes one for each rank, and three")
                              : ok(found, "");
  }

  StorageFinding file_size() {
    struct rlimit limit {};
    if (::getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return ok("any", "");
    return warn(fmt::format("at most {} bytes", limit.rlim_cur),
                "a larger checkpoint is refused before training; ulimit -f raises it");
  }

  Disk& disk_;
  std::string folder_;
  std::string place_;
  std::vector<StorageFinding> findings_;
};

}  // namespace

std::vector<StorageFinding> probe_storage(Disk& disk, const std::string& folder) {
  return Probe(disk, folder).run();
}

}  // namespace lockstep
