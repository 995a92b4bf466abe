// SPDX-License-Identifier: Apache-2.0
#include "comm/agree.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "lockstep/base/hash.h"

namespace lockstep {
namespace {

std::int64_t reduced(Communicator& group, std::int64_t mine, ReduceOp op) {
  group.all_reduce({&mine, 1, DType::kInt64}, {&mine, 1, DType::kInt64}, op);
  return mine;
}

std::string text_of(Communicator& group, std::string mine, Rank root) {
  auto bytes = static_cast<std::int64_t>(mine.size());
  group.broadcast({&bytes, 1, DType::kInt64}, root);
  mine.resize(static_cast<std::size_t>(bytes));
  group.broadcast({mine.data(), mine.size(), DType::kUInt8}, root);
  return mine;
}

std::string shortened(const std::string& text) {
  constexpr std::size_t kMost = 200;
  return text.size() <= kMost ? text : text.substr(0, kMost) + " …";
}

std::vector<int> ranks_unlike_root(Communicator& group, const std::string& mine) {
  // A digest, since a config can be long and is nearly always equal.
  const Digest digest = digest_of(mine);
  const auto size = static_cast<std::size_t>(group.size().value);
  std::vector<Digest> all(size);
  static_assert(sizeof(Digest) == 16);
  group.all_gather({&digest, 16, DType::kUInt8}, {all.data(), 16 * size, DType::kUInt8});
  std::vector<int> unlike;
  for (std::size_t r = 1; r < size; ++r)
    if (all[r] != all[0]) unlike.push_back(static_cast<int>(r));
  return unlike;
}

}  // namespace

std::int64_t agree_detail::reduce(World& world, std::int64_t mine, ReduceOp op) {
  return reduced(world.host(), mine, op);
}

Agreed<std::string> agree_on_root(World& world, const std::string& mine) {
  return AgreedMaker::make(text_of(world.host(), mine, Rank{0}));
}

std::vector<std::string> gather_on_root(World& world, const std::string& mine) {
  Communicator& group = world.host();
  const auto ranks = static_cast<std::size_t>(world.size().value);
  const auto bytes = static_cast<std::int64_t>(mine.size());
  std::vector<std::int64_t> lengths(ranks);
  group.all_gather({&bytes, 1, DType::kInt64}, {lengths.data(), ranks, DType::kInt64});
  std::vector<std::string> texts(world.is_root() ? ranks : 0);
  std::vector<Incoming> incoming;
  for (std::size_t r = 0; r < texts.size(); ++r) {
    texts[r].resize(static_cast<std::size_t>(lengths[r]));
    incoming.push_back({{texts[r].data(), texts[r].size(), DType::kUInt8}, Rank(static_cast<int>(r))});
  }
  const Outgoing outgoing{{mine.data(), mine.size(), DType::kUInt8}, Rank{0}};
  group.exchange({&outgoing, 1}, incoming);
  return texts;
}

Agreed<std::string> agree_same(World& world, const std::string& what, const std::string& mine,
                               ExitCode code) {
  const std::vector<int> unlike = ranks_unlike_root(world.host(), mine);
  if (unlike.empty()) return AgreedMaker::make(mine);
  // All ranks have the same digests, so all take part here or none does.
  const std::string of_root = text_of(world.host(), shortened(mine), Rank{0});
  const std::string of_other = text_of(world.host(), shortened(mine), Rank{unlike.front()});
  throw AgreedFault(
      code,
      fmt::format("{} differs between ranks: '{}' on rank 0, '{}' on rank {} (unlike rank 0: {})", what,
                  of_root, of_other, unlike.front(), fmt::join(unlike, ", ")),
      "Start every rank with the same program, config and files");
}

void agree_no_fault(World& world, const std::optional<Fault>& mine) {
  agree_no_fault(world.host(), mine);
}

void agree_no_fault(Communicator& group, const std::optional<Fault>& mine) {
  const std::int64_t none = group.size().value;
  const std::int64_t first = reduced(group, mine ? group.rank().value : none, ReduceOp::kMin);
  // The way without a Fault, taken every step, ends here after one small all-reduce.
  if (first == none) return;
  const Rank speaker{static_cast<int>(first)};
  auto code = static_cast<std::int64_t>(mine ? mine->code() : ExitCode::kBug);
  group.broadcast({&code, 1, DType::kInt64}, speaker);
  const std::string fact = text_of(group, mine ? mine->fact() : "", speaker);
  const std::string remedy = text_of(group, mine ? mine->remedy() : "", speaker);
  const auto agreed = static_cast<ExitCode>(code);
  if (mine) throw AgreedFault(agreed, mine->fact(), mine->remedy());
  throw AgreedFault(agreed, fmt::format("rank {}: {}", speaker.value, fact), remedy);
}

}  // namespace lockstep
