// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "lockstep/base/disk.h"
#include "lockstep/data/dataset.h"

namespace lockstep {

// The files a run trains on, kept as data-files.txt in its directory: a line with the content of all (the
// dataset's fingerprint), then one for each file with digest, bytes and name. All functions are Local.
class DataRecord {
 public:
  DataRecord(Disk& disk, const std::string& run_directory);

  // Whether the record is of data with this content.
  bool is_of(const std::string& content) const;
  // Replaces the record.
  void keep(const std::string& content, const std::vector<DataFile>& files) const;
  // What came, went or changed since the record: "1 came (new.txt), 2 went (a.txt, b.txt)"; at most a few
  // names of each. Empty when nothing did, and without a record of `content`.
  std::string difference(const std::string& content, const std::vector<DataFile>& now) const;

 private:
  Disk& disk_;
  std::string path_;
};

}  // namespace lockstep
