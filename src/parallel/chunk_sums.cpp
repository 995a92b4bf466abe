// SPDX-License-Identifier: Apache-2.0
#include "parallel/chunk_sums.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "comm/agree.h"
#include "comm/agree_alike.h"
#include "lockstep/base/error.h"
#include "lockstep/base/hash.h"

namespace lockstep {
namespace {

ChunkSums chunks_of_rank(World& world, std::int64_t chunks,
                         const std::function<ChunkSums::Parts(std::int64_t chunk)>& measure) {
  const std::int64_t rank = world.rank().value;
  const std::int64_t own = rank < chunks ? rank : 0;
  const ChunkSums::Parts first = measure(own);
  ChunkSums sums(first, chunks);
  for (std::int64_t chunk = rank; chunk < chunks; chunk += world.size().value) {
    sums.set(chunk, chunk == own ? first : measure(chunk));
    // Each chunk begins anew for the watchdog: an evaluation may be long.
    world.watch().enter(world.watch().look().phase);
  }
  return sums;
}

}  // namespace

ChunkSums::ChunkSums(const Parts& names, std::int64_t chunks) {
  for (const auto& [name, part] : names) names_.push_back(name);
  values_.assign(static_cast<std::size_t>(chunks) * names_.size() * 2, 0.0);
}

ChunkSums ChunkSums::measured(World& world, std::int64_t chunks,
                              const std::function<Parts(std::int64_t chunk)>& measure) {
  check(chunks > 0, "an evaluation has chunks");
  std::optional<ChunkSums> sums;
  together(world, [&] { sums = chunks_of_rank(world, chunks, measure); });
  sums->share(world);
  return *std::move(sums);
}

void ChunkSums::set(std::int64_t chunk, const Parts& parts) {
  const auto same_name = [](const std::string& name, const auto& part) { return name == part.first; };
  if (!std::ranges::equal(names_, parts, same_name))
    throw Fault(ExitCode::kConfig, "an evaluation measures other things for one chunk than for another",
                "Give the same names for every chunk");
  double* place = &values_[static_cast<std::size_t>(chunk) * names_.size() * 2];
  for (const auto& [name, part] : parts) {
    *place++ = part.sum;
    *place++ = part.count;
  }
}

void ChunkSums::share(World& world) {
  std::string names;
  for (const std::string& name : names_) names += name + "\n";
  if (!agree_alike(world, 0, digest_of(names).low).value.alike)
    throw AgreedFault(ExitCode::kConfig, "the ranks measure different things in an evaluation",
                      "Give the same names for every chunk, on every rank");
  const MutableSpan all{values_.data(), values_.size(), DType::kFloat64};
  world.host().all_reduce(all, all, ReduceOp::kSum);
}

ChunkSums::Part ChunkSums::total(std::size_t name) const {
  Part total;
  for (std::size_t at = 2 * name; at < values_.size(); at += 2 * names_.size()) {
    total.sum += values_[at];
    total.count += values_[at + 1];
  }
  return total;
}

double ChunkSums::count_of(const std::string& name) const {
  return total(static_cast<std::size_t>(std::ranges::find(names_, name) - names_.begin())).count;
}

std::map<std::string, double> ChunkSums::means() const {
  std::map<std::string, double> means;
  for (std::size_t i = 0; i < names_.size(); ++i) means[names_[i]] = total(i).sum / total(i).count;
  return means;
}

}  // namespace lockstep
