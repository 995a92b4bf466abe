// SPDX-License-Identifier: Apache-2.0
#include "base/read_lines.h"

#include <algorithm>
#include <span>

namespace lockstep {
namespace {

constexpr std::size_t kPiece = 1 << 20;

}  // namespace

void for_each_line(Disk& disk, const std::string& path, const std::function<void(const std::string&)>& use) {
  LineFollower(disk, path).read_on(use);
}

bool LineFollower::read_on(const std::function<void(const std::string&)>& use) {
  if (!disk_->info(path_)) return false;
  const auto file = disk_->open(path_);
  const std::uint64_t size = file->size();
  const std::uint64_t before = at_;
  std::string rest;
  for (std::uint64_t at = at_; at < size; at += kPiece) {
    std::string piece(std::min<std::uint64_t>(kPiece, size - at), '\0');
    file->read_at(at, std::as_writable_bytes(std::span(piece)));
    rest += piece;
    std::size_t begin = 0;
    for (std::size_t end = rest.find('\n'); end != std::string::npos; end = rest.find('\n', begin)) {
      use(rest.substr(begin, end - begin));
      begin = end + 1;
    }
    rest.erase(0, begin);
  }
  at_ = std::max(at_, size - rest.size());
  return at_ > before;
}

}  // namespace lockstep
