// SPDX-License-Identifier: Apache-2.0
#include "support/faulty_disk.h"

#include <algorithm>

#include "base/disk_errors.h"
#include "lockstep/base/random.h"

namespace lockstep {

namespace {

// `path` after `from` has become `to`.
std::string moved(const std::string& path, const std::string& from, const std::string& to) {
  if (path == from) return to;
  return path.starts_with(from + "/") ? to + path.substr(from.size()) : path;
}

}  // namespace

class FaultyWritableFile : public WritableFile {
 public:
  FaultyWritableFile(FaultyDisk& disk, std::string path, std::unique_ptr<WritableFile> inner,
                     std::shared_ptr<FaultyDisk::Contents> contents)
      : disk_(disk), path_(std::move(path)), inner_(std::move(inner)), contents_(std::move(contents)) {}

  std::size_t alignment() const override { return inner_->alignment(); }
  void reserve(std::uint64_t bytes) override {
    grow_to("reserve", bytes);
    disk_.fail_write_side("reserve", path_);
    inner_->reserve(bytes);
  }
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) override {
    grow_to("write", offset + bytes.size());
    if (disk_.fails("write", path_)) {
      if (disk_.plan_.lies) return;
      note_write({offset, bytes.size()});
      const std::size_t half = bytes.size() / 2;
      if (disk_.plan_.short_write) inner_->write_at(offset, bytes.first(half - half % inner_->alignment()));
      throw storage_fault("write", path_, disk_.plan_.error);
    }
    note_write({offset, bytes.size()});
    inner_->write_at(offset, bytes);
  }
  void truncate(std::uint64_t bytes) override {
    disk_.ask("truncate", path_, *contents_);
    disk_.fail_write_side("truncate", path_);
    inner_->truncate(bytes);
    const std::lock_guard lock(disk_.mutex_);
    end_ = bytes;
  }
  void sync() override {
    disk_.sync_contents("sync", path_, *contents_, end_);
    inner_->sync();
  }
  void close() override {
    disk_.fail_write_side("close", path_);
    inner_->close();
  }

 private:
  // Before anything is tried: what fails may have left bytes.
  void grow_to(const char* operation, std::uint64_t end) {
    disk_.ask(operation, path_, *contents_);
    const std::lock_guard lock(disk_.mutex_);
    contents_->dirty = true;
    end_ = std::max(end_, end);
  }
  void note_write(const FaultyDisk::Extent& extent) {
    const std::lock_guard lock(disk_.mutex_);
    contents_->unsynced.push_back(extent);
  }

  FaultyDisk& disk_;
  std::string path_;
  std::unique_ptr<WritableFile> inner_;
  std::shared_ptr<FaultyDisk::Contents> contents_;
  std::uint64_t end_ = 0;
};

class FaultyReadableFile : public ReadableFile {
 public:
  FaultyReadableFile(FaultyDisk& disk, std::string path, std::unique_ptr<ReadableFile> inner)
      : disk_(disk), path_(std::move(path)), inner_(std::move(inner)) {}

  std::uint64_t size() const override { return inner_->size(); }
  void read_at(std::uint64_t offset, std::span<std::byte> into) const override {
    disk_.fail_read_side("read", path_);
    inner_->read_at(offset, into);
  }

 private:
  FaultyDisk& disk_;
  std::string path_;
  std::unique_ptr<ReadableFile> inner_;
};

FaultyDisk::FaultyDisk(Disk& inner, std::string graveyard)
    : inner_(inner), graveyard_(std::move(graveyard)) {}

FaultyDisk::~FaultyDisk() = default;

void FaultyDisk::arm(const DiskFaultPlan& plan) {
  const std::lock_guard lock(mutex_);
  plan_ = plan;
  operations_ = injections_ = 0;
  failed_on_.clear();
  unsynced_folders_.clear();
}

void FaultyDisk::claim_free_bytes(std::uint64_t bytes) {
  free_bytes_ = bytes;
}

std::int64_t FaultyDisk::operations() const {
  const std::lock_guard lock(mutex_);
  return operations_;
}

std::int64_t FaultyDisk::injections() const {
  const std::lock_guard lock(mutex_);
  return injections_;
}

std::vector<std::string> FaultyDisk::failed_on() const {
  const std::lock_guard lock(mutex_);
  return failed_on_;
}

std::vector<std::string> FaultyDisk::asked_after_failed_sync() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

void FaultyDisk::ask(const char* operation, const std::string& path, const Contents& of) {
  const std::lock_guard lock(mutex_);
  if (of.sync_failed) asked_.push_back(std::string(operation) + " " + path);
}

void FaultyDisk::sync_contents(const char* operation, const std::string& path, Contents& of,
                               std::uint64_t end) {
  ask(operation, path, of);
  const bool failed = fails(operation, path);
  const std::lock_guard lock(mutex_);
  of.sync_failed = of.sync_failed || failed;
  if (failed) throw storage_fault(operation, path, plan_.error);
  if (!plan_.sync_lies) of = {end, false, {}, of.sync_failed};
}

bool FaultyDisk::fails(const char* operation, const std::string& path) {
  const std::lock_guard lock(mutex_);
  if (!plan_.only.empty() && plan_.only != operation) return false;
  ++operations_;
  const bool now =
      plan_.fail_at > 0 && (plan_.for_ever ? operations_ >= plan_.fail_at : operations_ == plan_.fail_at);
  if (now) ++injections_;
  if (now) failed_on_.push_back(path);
  return now;
}

void FaultyDisk::fail_write_side(const char* operation, const std::string& path) {
  if (fails(operation, path)) throw storage_fault(operation, path, plan_.error);
}

void FaultyDisk::fail_read_side(const char* operation, const std::string& path) {
  if (fails(operation, path)) throw reading_fault(operation, path, plan_.error);
}

void FaultyDisk::note(Change change) {
  const std::lock_guard lock(mutex_);
  if (tracking()) changes_.push_back(std::move(change));
}

std::string FaultyDisk::bury(const std::string& path) {
  const std::string grave = graveyard_ + "/" + std::to_string(++buried_);
  inner_.rename(path, grave);
  return grave;
}

void FaultyDisk::rekey(const std::string& from, const std::string& to) {
  std::map<std::string, std::shared_ptr<Contents>> out;
  for (auto& [path, contents] : contents_) {
    // What a rename replaces is gone under that name.
    if (path == to) continue;
    out[moved(path, from, to)] = contents;
  }
  contents_ = std::move(out);
}

std::unique_ptr<WritableFile> FaultyDisk::create(const std::string& path) {
  fail_write_side("create", path);
  return created(path, inner_.create(path));
}

std::unique_ptr<WritableFile> FaultyDisk::create_direct(const std::string& path) {
  fail_write_side("create", path);
  return created(path, plan_.no_direct ? inner_.create(path) : inner_.create_direct(path));
}

std::unique_ptr<WritableFile> FaultyDisk::created(const std::string& path,
                                                  std::unique_ptr<WritableFile> file) {
  note({Change::Kind::kCreate, path, "", ""});
  auto contents = std::make_shared<Contents>();
  {
    const std::lock_guard lock(mutex_);
    contents_[path] = contents;
  }
  return std::make_unique<FaultyWritableFile>(*this, path, std::move(file), std::move(contents));
}

std::unique_ptr<ReadableFile> FaultyDisk::open(const std::string& path) {
  fail_read_side("open", path);
  return std::make_unique<FaultyReadableFile>(*this, path, inner_.open(path));
}

std::unique_ptr<ReadableFile> FaultyDisk::open_direct(const std::string& path) {
  fail_read_side("open", path);
  return std::make_unique<FaultyReadableFile>(*this, path, inner_.open_direct(path));
}

void FaultyDisk::append(const std::string& path, std::string_view text) {
  const auto before = inner_.info(path);
  if (!contents_.contains(path))
    contents_[path] = std::make_shared<Contents>(Contents{before ? before->bytes : 0, false, {}, false});
  ask("append", path, *contents_[path]);
  contents_[path]->dirty = true;
  contents_[path]->unsynced.push_back({before ? before->bytes : 0, text.size()});
  if (!before) note({Change::Kind::kCreate, path, "", ""});
  if (fails("append", path)) {
    if (plan_.short_write) inner_.append(path, text.substr(0, text.size() / 2));
    throw storage_fault("append", path, plan_.error);
  }
  inner_.append(path, text);
}

void FaultyDisk::truncate(const std::string& path, std::uint64_t bytes) {
  if (contents_.contains(path)) ask("truncate", path, *contents_[path]);
  fail_write_side("truncate", path);
  inner_.truncate(path, bytes);
}

void FaultyDisk::sync_file(const std::string& path) {
  Contents unknown;
  Contents& contents = contents_.contains(path) ? *contents_[path] : unknown;
  const auto info = inner_.info(path);
  sync_contents("sync_file", path, contents, info ? info->bytes : 0);
  inner_.sync_file(path);
}

void FaultyDisk::sync_directory(const std::string& path) {
  if (unsynced_folders_.contains(path)) asked_.push_back("sync_directory " + path);
  if (fails("sync_directory", path)) {
    unsynced_folders_.insert(path);
    throw storage_fault("sync_directory", path, plan_.error);
  }
  inner_.sync_directory(path);
  std::vector<Change> pending;
  for (const Change& change : changes_) {
    const bool is_rename = change.kind == Change::Kind::kRename;
    if (parent_of(is_rename ? change.to : change.path) != path) {
      pending.push_back(change);
      continue;
    }
    // What happened before below a renamed folder is now to be found under its new name; below a removed one
    // it is gone.
    for (Change& earlier : pending) {
      if (!is_rename) continue;
      earlier.path = moved(earlier.path, change.path, change.to);
      earlier.to = moved(earlier.to, change.path, change.to);
    }
    if (change.kind == Change::Kind::kRemove)
      std::erase_if(pending,
                    [&](const Change& earlier) { return earlier.path.starts_with(change.path + "/"); });
  }
  changes_ = std::move(pending);
}

void FaultyDisk::rename(const std::string& from, const std::string& to) {
  for (const auto& [path, contents] : contents_)
    if (moved(path, from, to) != path) ask("rename", path, *contents);
  fail_write_side("rename", from);
  const auto replaced = inner_.info(to);
  std::string saved;
  if (tracking() && replaced && !replaced->is_directory) saved = bury(to);
  inner_.rename(from, to);
  rekey(from, to);
  note({Change::Kind::kRename, from, to, saved});
}

void FaultyDisk::remove(const std::string& path) {
  fail_write_side("remove", path);
  if (tracking())
    note({Change::Kind::kRemove, path, "", bury(path)});
  else
    inner_.remove(path);
  contents_.erase(path);
}

void FaultyDisk::make_directory(const std::string& path) {
  fail_write_side("make_directory", path);
  const bool there = inner_.info(path).has_value();
  inner_.make_directory(path);
  if (!there) note({Change::Kind::kMakeDirectory, path, "", ""});
}

std::vector<std::string> FaultyDisk::list(const std::string& path) {
  fail_read_side("list", path);
  return inner_.list(path);
}

std::optional<FileInfo> FaultyDisk::info(const std::string& path) {
  fail_read_side("info", path);
  return inner_.info(path);
}

std::uint64_t FaultyDisk::free_bytes(const std::string& path) {
  fail_write_side("free_bytes", path);
  return free_bytes_ ? *free_bytes_ : inner_.free_bytes(path);
}

void FaultyDisk::undo(const Change& change) {
  switch (change.kind) {
    case Change::Kind::kCreate:
    case Change::Kind::kMakeDirectory:
      remove_tree(inner_, change.path);
      return;
    case Change::Kind::kRename:
      inner_.rename(change.to, change.path);
      rekey(change.to, change.path);
      if (!change.saved.empty()) inner_.rename(change.saved, change.to);
      return;
    case Change::Kind::kRemove:
      inner_.rename(change.saved, change.path);
      return;
  }
}

std::int64_t FaultyDisk::power_cut(PowerCut what, const Tearing& tearing) {
  if (what == PowerCut::kLoseDirectoryChanges)
    for (auto change = changes_.rbegin(); change != changes_.rend(); ++change) undo(*change);
  changes_.clear();
  std::vector<std::string> dirty;
  std::size_t writes = 0;
  for (const auto& [path, contents] : contents_)
    if (contents->dirty && inner_.info(path)) {
      dirty.push_back(path);
      writes += contents->unsynced.size();
    }
  const std::size_t torn = writes == 0 ? 0 : mix_key({tearing.seed}) % writes;
  std::size_t first = 0;
  for (const std::string& path : dirty) {
    const Contents& contents = *contents_.at(path);
    if (tearing.kind == Tearing::Kind::kNothingArrived)
      inner_.truncate(path, contents.durable_bytes);
    else
      tear(path, contents, tearing, first, torn);
    first += contents.unsynced.size();
  }
  return torn_;
}

// Writes are numbered over all files; `torn_write` is the one that certainly loses something.
void FaultyDisk::tear(const std::string& path, const Contents& contents, const Tearing& tearing,
                      std::size_t first_write, std::size_t torn_write) {
  constexpr std::uint64_t kSector = 512;
  const auto draw = [&](std::uint64_t what, std::uint64_t number) {
    return mix_key({tearing.seed, what, number});
  };
  const std::uint64_t run = draw(1, 0) % 2 == 0 ? 1 : 8;
  std::string bytes = read_text(inner_, path, std::uint64_t{1} << 40);
  std::uint64_t end = contents.durable_bytes;
  for (std::size_t i = 0; i < contents.unsynced.size(); ++i) {
    const Extent& write = contents.unsynced[i];
    const std::size_t number = first_write + i;
    const std::uint64_t sectors = (write.bytes + kSector - 1) / kSector;
    const std::uint64_t lost = sectors == 0 ? 0 : draw(2, number) % sectors;
    const auto arrives = [&](std::uint64_t sector) {
      const bool torn = number == torn_write;
      if (tearing.kind == Tearing::Kind::kPrefix) return !torn || sector < lost;
      if (tearing.kind == Tearing::Kind::kSomeWrites) return !torn && draw(3, number) % 2 == 0;
      return !torn || (sector / run != lost / run && draw(4, sector / run) % 2 == 0);
    };
    bool whole = true;
    for (std::uint64_t sector = 0; sector < sectors; ++sector) {
      const std::uint64_t at = write.offset + sector * kSector;
      const std::uint64_t until =
          std::min({at + kSector, write.offset + write.bytes, std::uint64_t{bytes.size()}});
      if (arrives(sector)) {
        end = std::max(end, until);
        continue;
      }
      whole = false;
      const char stale = draw(5, 0) % 2 == 0 ? '\0' : '\x5a';
      if (at < until) std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), until - at, stale);
    }
    torn_ += whole ? 0 : 1;
  }
  if (draw(6, first_write) % 2 == 0) bytes.resize(std::min<std::uint64_t>(end, bytes.size()));
  inner_.remove(path);
  const auto file = inner_.create(path);
  file->write_at(0, std::as_bytes(std::span(bytes)));
  file->close();
}

}  // namespace lockstep
