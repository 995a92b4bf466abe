// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lockstep/base/disk.h"

namespace lockstep {

// Which operation of a FaultyDisk fails, and how.
struct DiskFaultPlan {
  std::int64_t fail_at = 0;  // counted from 1 among the operations that `only` selects; 0: none
  bool for_ever = false;     // all later ones fail too: a dead disk, or a dead process
  int error = EIO;
  bool short_write = false;  // a write that fails has written half of its bytes
  bool lies = false;         // a write that fails says that it succeeded, and has written nothing
  bool sync_lies = false;    // every sync of a file succeeds, and makes nothing durable
  bool no_direct = false;    // a file system without O_DIRECT
  std::string only;  // create reserve write truncate sync close open read append sync_file sync_directory
                     // rename remove make_directory list info free_bytes; empty: all
};

// What a power cut does to directory changes that no sync_directory() has made durable. File bytes that no
// sync() has made durable are lost in both.
enum class PowerCut {
  kLoseDirectoryChanges,  // nothing of them was written back
  kKeepDirectoryChanges,  // all were: names without bytes, as ext4 and xfs leave them
};

// What a power cut leaves of writes to files that no sync() has made durable: of each file also its length
// and what stands in place of lost bytes (zeros, or what the disk had there before) are drawn from the seed.
struct Tearing {
  enum class Kind {
    kNothingArrived,
    kPrefix,      // all arrived but of one write, of which only the first sectors did
    kSectors,     // all arrived but of one write, of which only some sectors or pages did
    kSomeWrites,  // some arrived whole and some not at all, in no order
  };
  Kind kind = Kind::kNothingArrived;
  std::uint64_t seed = 0;
};

// A disk over another one that counts operations, makes one of them fail, and forgets what was never synced.
// Safe from several threads.
class FaultyDisk : public Disk {
 public:
  // With a graveyard (an existing folder on the same file system, outside of what is tested) power_cut()
  // works: removed and replaced files wait there until the change is durable.
  explicit FaultyDisk(Disk& inner, std::string graveyard = "");
  ~FaultyDisk() override;

  // Starts counting anew.
  void arm(const DiskFaultPlan& plan);
  // What free_bytes() answers from now on.
  void claim_free_bytes(std::uint64_t bytes);

  std::int64_t operations() const;  // since arm(), of those the plan selects
  std::int64_t injections() const;  // since arm()
  // What the failed ones were asked of, since arm().
  std::vector<std::string> failed_on() const;
  // What was asked of a file after a sync of it had failed ("write ckpt/latest.part"), reading, closing and
  // removing aside; the file counts, whatever its name has become. Of a folder, that cannot be written anew,
  // only further syncs, since arm().
  std::vector<std::string> asked_after_failed_sync() const;
  // Makes the files below the inner disk look as after a power cut. The caller goes on with another disk.
  // Returns how many writes did not arrive whole.
  std::int64_t power_cut(PowerCut what, const Tearing& tearing = {});

  std::unique_ptr<WritableFile> create(const std::string& path) override;
  std::unique_ptr<WritableFile> create_direct(const std::string& path) override;
  std::unique_ptr<ReadableFile> open(const std::string& path) override;
  std::unique_ptr<ReadableFile> open_direct(const std::string& path) override;
  void append(const std::string& path, std::string_view text) override;
  void truncate(const std::string& path, std::uint64_t bytes) override;
  void sync_file(const std::string& path) override;
  void sync_directory(const std::string& path) override;
  void rename(const std::string& from, const std::string& to) override;
  void remove(const std::string& path) override;
  void make_directory(const std::string& path) override;
  std::vector<std::string> list(const std::string& path) override;
  std::optional<FileInfo> info(const std::string& path) override;
  std::uint64_t free_bytes(const std::string& path) override;

 private:
  friend class FaultyWritableFile;
  friend class FaultyReadableFile;

  struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
  };
  struct Contents {
    std::uint64_t durable_bytes = 0;
    bool dirty = false;
    std::vector<Extent> unsynced;  // in the order they were written
    bool sync_failed = false;
  };
  // A directory change that is not durable yet: `to` is for renames, `saved` is what it removed or replaced.
  struct Change {
    enum class Kind { kCreate, kMakeDirectory, kRename, kRemove } kind;
    std::string path;
    std::string to;
    std::string saved;
  };

  // Counts one operation; true when it is to fail.
  bool fails(const char* operation, const std::string& path);
  void ask(const char* operation, const std::string& path, const Contents& of);
  void sync_contents(const char* operation, const std::string& path, Contents& of, std::uint64_t end);
  void tear(const std::string& path, const Contents& contents, const Tearing& tearing,
            std::size_t first_write, std::size_t torn_write);
  void fail_write_side(const char* operation, const std::string& path);
  void fail_read_side(const char* operation, const std::string& path);
  bool tracking() const { return !graveyard_.empty(); }
  std::unique_ptr<WritableFile> created(const std::string& path, std::unique_ptr<WritableFile> file);
  void note(Change change);
  std::string bury(const std::string& path);
  void rekey(const std::string& from, const std::string& to);
  void undo(const Change& change);

  Disk& inner_;
  std::string graveyard_;
  mutable std::mutex mutex_;
  DiskFaultPlan plan_;
  std::int64_t operations_ = 0;
  std::int64_t injections_ = 0;
  std::int64_t buried_ = 0;
  std::int64_t torn_ = 0;
  std::vector<std::string> failed_on_;
  std::vector<std::string> asked_;
  std::set<std::string> unsynced_folders_;
  std::optional<std::uint64_t> free_bytes_;
  std::map<std::string, std::shared_ptr<Contents>> contents_;
  std::vector<Change> changes_;
};

}  // namespace lockstep
