// SPDX-License-Identifier: Apache-2.0
#include "loop/replicas.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "lockstep/base/fault_point.h"
#include "lockstep/base/hash.h"
#include "lockstep/base/log.h"
#include "run/supervisor_line.h"

namespace lockstep {
namespace {

using Json = nlohmann::ordered_json;

// Below it the call costs more than the bytes; a multiple of every element's size.
constexpr std::int64_t kLeastSlice = 16 << 10;

std::span<const std::byte> bytes_of(const torch::Tensor& host) {
  return {static_cast<const std::byte*>(host.data_ptr()), static_cast<std::size_t>(host.nbytes())};
}

// A bit of a value's fraction, as a test wants it.
void flip(const torch::Tensor& flat) {
  static_cast<std::byte*>(flat.data_ptr())[flat.nbytes() / 2] ^= std::byte{1};
}

std::string path_of(const std::string& directory) {
  return directory + "/replicas.json";
}

}  // namespace

OddRanks odd_ranks(const std::vector<ReplicaCopy>& copies) {
  std::map<std::pair<std::string, std::string>, std::size_t> counts;
  for (const ReplicaCopy& copy : copies) ++counts[{copy.digest, copy.rest}];
  const auto most = std::ranges::max_element(counts, {}, [](const auto& count) { return count.second; });
  OddRanks odd;
  odd.majority = 2 * most->second > copies.size();
  for (std::size_t rank = 0; rank < copies.size(); ++rank)
    if (!odd.majority || std::pair(copies[rank].digest, copies[rank].rest) != most->first)
      odd.ranks.push_back(static_cast<int>(rank));
  return odd;
}

std::string encode_copy(const ReplicaCopy& copy) {
  return Json::array({copy.host, copy.digest, copy.rest})
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

ReplicaCopy decode_copy(const std::string& text) {
  const Json json = Json::parse(text);
  return {json.at(0), json.at(1), json.at(2)};
}

Replicas::Replicas(const Parts& parts, std::int64_t every)
    : parts_(parts), every_(parts.world.size().value > 1 ? every : 0) {
  flat_ = parts_.state.replicated();
  std::int64_t bytes = 0;
  for (const torch::Tensor& flat : flat_) bytes += static_cast<std::int64_t>(flat.nbytes());
  if (!watches()) return;
  const std::int64_t share = (bytes + every_ - 1) / every_;
  slice_bytes_ = std::max((share + 63) / 64 * 64, kLeastSlice);
  slices_ = std::max<std::int64_t>((bytes + slice_bytes_ - 1) / slice_bytes_, 1);
}

std::uint64_t Replicas::slice(Step step) {
  if (fault_requested("replica.parameter")) flip(flat_.front());
  if (fault_requested("replica.slot")) flip(flat_.back());
  if (!watches()) return 0;
  judge(step);
  std::int64_t skip = step.value % slices_ * slice_bytes_;
  std::int64_t left = slice_bytes_;
  Hasher hasher;
  for (const torch::Tensor& flat : flat_) {
    const auto bytes = static_cast<std::int64_t>(flat.nbytes());
    const std::int64_t count = std::min(bytes - skip, left);
    if (count > 0) {
      const auto size = static_cast<std::int64_t>(flat.element_size());
      const torch::Tensor part = flat.narrow(0, skip / size, count / size);
      hasher.update(bytes_of(part.cpu()));
      left -= count;
    }
    skip = std::max<std::int64_t>(skip - bytes, 0);
  }
  return hasher.digest().low;
}

std::string Replicas::rest() {
  if (fault_requested("replica.save")) flip(flat_[0]);
  return parts_.state.digest_of_rest();
}

// Of what is there once, in parts, there are no copies to compare.
bool Replicas::is_here(const TensorKey& key) const {
  return key.in_model() || !parts_.state.is_parted();
}

std::string Replicas::frozen() const {
  Hasher hasher;
  for (const auto& item : parts_.state.persisted())
    if (item.steady && is_here(item.key)) hasher.update(bytes_of(item.host));
  return hasher.digest().hex();
}

std::string Replicas::live() const {
  Hasher hasher;
  for (const auto& item : parts_.state.persisted())
    if (item.steady && is_here(item.key)) hasher.update(bytes_of(item.live.cpu()));
  return hasher.digest().hex();
}

ReplicaCopy Replicas::copy(std::string digest, std::string rest) const {
  return {parts_.world.place().host, std::move(digest), std::move(rest)};
}

void Replicas::compare(Step step, const std::vector<ReplicaCopy>& copies, Step saved) {
  if (!odd_ranks(copies).ranks.empty()) throw differing(Step(step.value + 1), copies, saved);
}

void Replicas::end(Step step, Step saved) {
  std::vector<ReplicaCopy> copies;
  for (const std::string& text : gather_on_root(parts_.world, encode_copy(copy(live(), ""))))
    copies.push_back(decode_copy(text));
  on_root(parts_.world, [&] { throw differing(step, copies, saved); });
  raise_bug("a Fault of rank 0 is everybody's", std::source_location::current());
}

// `step`: the one that would begin with these copies.
Fault Replicas::differing(Step step, const std::vector<ReplicaCopy>& copies, Step saved) {
  const OddRanks odd = odd_ranks(copies);
  std::vector<std::string> names;
  for (const int rank : odd.ranks)
    names.push_back(fmt::format("{} ({})", rank, copies[static_cast<std::size_t>(rank)].host));
  const std::string who = fmt::format("{}", fmt::join(names, ", "));
  const std::string back =
      saved > Step(0) ? fmt::format("No checkpoint has it; start again from that of step {}", saved.value)
                      : "No checkpoint has it; start again";
  parts_.reporter.event(
      "replicas_differ",
      {{"step", std::to_string(step.value)}, {"ranks", who}, {"known", odd.majority ? "yes" : "no"}});
  std::string fact = fmt::format(
      "before step {} the ranks hold different states (parameters, optimizer, buffers): ", step.value);
  if (odd.majority) {
    fact += fmt::format("rank {} is unlike the other {}", who, copies.size() - odd.ranks.size());
    const std::string& host = copies[static_cast<std::size_t>(odd.ranks.front())].host;
    const std::string remedy =
        back + fmt::format("; if it comes back, test memory and processor of {}", host);
    supervisor_line().fault(ExitCode::kBug, fact, host);
    return Fault(ExitCode::kBug, fact, remedy);
  }
  Json json = {{"step", step.value}, {"copies", Json::array()}};
  for (const ReplicaCopy& copy : copies) json["copies"].push_back(encode_copy(copy));
  replace_text(parts_.disk, path_of(parts_.directory), json.dump() + "\n");
  return Fault(ExitCode::kBug, fact + fmt::format("ranks {}, and there is no majority", who),
               back + fmt::format("; at step {} it will say which was wrong", step.value));
}

void Replicas::recall() {
  if (!watches() || !parts_.disk.info(path_of(parts_.directory))) return;
  try {
    const Json json = Json::parse(read_text(parts_.disk, path_of(parts_.directory), 1 << 20));
    open_.emplace().step = Step(json.at("step").get<std::int64_t>());
    for (const auto& text : json.at("copies")) open_->copies.push_back(decode_copy(text));
  } catch (const Json::exception&) {
    open_.reset();  // it would only have told which one was wrong
  }
}

// The same steps from the same checkpoint, once more: what comes of them now is right unless it is wrong
// twice.
void Replicas::judge(Step step) {
  if (!open_ || step < open_->step) return;
  if (step == open_->step) {
    const std::string right = live();
    std::vector<std::string> wrong;
    for (std::size_t rank = 0; rank < open_->copies.size(); ++rank)
      if (open_->copies[rank].digest != right)
        wrong.push_back(fmt::format("{} ({})", rank, open_->copies[rank].host));
    const std::string who = wrong.empty() ? "none" : fmt::format("{}", fmt::join(wrong, ", "));
    log_warning("step {} once more: of the states that differed, wrong was that of rank {}", step.value, who);
    parts_.reporter.event("replicas_judged", {{"step", std::to_string(step.value)}, {"wrong_ranks", who}});
  }
  parts_.disk.remove(path_of(parts_.directory));
  open_.reset();
}

}  // namespace lockstep
