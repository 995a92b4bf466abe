// SPDX-License-Identifier: Apache-2.0
#include "cli/describe_memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "comm/agree.h"

namespace lockstep {
namespace {

// The ranks of a host together.
struct RanksOfHost {
  int ranks = 0;
  RankMemory sum;

  void add(const RankMemory& rank) {
    ++ranks;
    for (const auto part :
         {&RankMemory::parameters, &RankMemory::optimizer, &RankMemory::gradients, &RankMemory::staging,
          &RankMemory::batches, &RankMemory::writing, &RankMemory::weights})
      sum.*part += rank.*part;
    for (const auto at : {&RankMemory::start, &RankMemory::first, &RankMemory::training}) {
      ProcessMemory& host = sum.*at;
      const ProcessMemory& one = rank.*at;
      host.own += one.own;
      host.common += one.common;
      // Ranks map the same files.
      host.program = std::max(host.program, one.program);
      host.mapped = std::max(host.mapped, one.mapped);
    }
  }

  std::uint64_t program() const { return sum.start.own + sum.start.common + sum.training.program; }
  static std::uint64_t all(const ProcessMemory& memory) {
    return memory.own + memory.common + memory.program;
  }
  // Gradients and computing: a step that needs little leaves a part of its gradients to the system.
  std::uint64_t working() const {
    const std::uint64_t known = program() + sum.parameters + sum.optimizer + sum.staging + sum.batches;
    return all(sum.training) - std::min(all(sum.training), known);
  }
  std::uint64_t gradients() const { return std::min(sum.gradients, working()); }
  std::uint64_t files() const { return std::max(sum.writing, sum.weights); }
  std::uint64_t later() const { return all(sum.training) + files(); }
  std::uint64_t most() const { return std::max(later(), all(sum.first)); }
};

std::string line(const std::string& what, std::uint64_t bytes) {
  return fmt::format("  {:<56}{:>9.1f} MB\n", what, static_cast<double>(bytes) / 1e6);
}

std::string text_of(const std::string& host, const RankMemory& rank) {
  nlohmann::json text = {host};
  for (const ProcessMemory& one : {rank.start, rank.first, rank.training})
    for (const std::uint64_t bytes : {one.own, one.common, one.program, one.mapped}) text.push_back(bytes);
  for (const std::uint64_t bytes : {rank.parameters, rank.optimizer, rank.gradients, rank.staging,
                                    rank.batches, rank.writing, rank.weights})
    text.push_back(bytes);
  return text.dump();
}

RankMemory rank_in(const nlohmann::json& text) {
  const auto memory = [&](std::size_t at) {
    return ProcessMemory{text[at], text[at + 1], text[at + 2], text[at + 3]};
  };
  return {memory(1), memory(5), memory(9), text[13], text[14],
          text[15],  text[16],  text[17],  text[18], text[19]};
}

}  // namespace

std::string describe_memory(World& world, const RankMemory& mine) {
  std::map<std::string, RanksOfHost> hosts;
  for (const std::string& text : gather_on_root(world, text_of(world.place().host, mine))) {
    const auto json = nlohmann::json::parse(text);
    hosts[json[0]].add(rank_in(json));
  }
  if (hosts.empty()) return "";
  const auto fullest =
      std::ranges::max_element(hosts, {}, [](const auto& host) { return host.second.most(); });
  const RanksOfHost& host = fullest->second;
  std::string text = fmt::format(
      "memory on {} ({} rank{}): {:.1f} MB\n",
      hosts.size() == 1 ? "the host"
                        : fmt::format("{}, the fullest of {} hosts", fullest->first, hosts.size()),
      host.ranks, host.ranks == 1 ? "" : "s", static_cast<double>(host.most()) / 1e6);
  text += line("program and libraries", host.program());
  text += line("parameters and buffers", host.sum.parameters);
  text += line("state of the optimizer", host.sum.optimizer);
  text += line("gradients and their exchange", host.gradients());
  text += line("activations of a micro-batch, work memory", host.working() - host.gradients());
  text += line("batches read, and read ahead", host.sum.batches);
  text += line("staging of a save beside the training", host.sum.staging);
  text += line("a file on its way, of a save or weights.h5", host.files());
  text += line("at first, until idle memory goes back", host.most() - host.later());
  // MPI maps small files too.
  if (host.sum.training.mapped > host.sum.start.mapped)
    text += "and the training data as far as the system keeps it in its page cache\n";
  return text;
}

}  // namespace lockstep
