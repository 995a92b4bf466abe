// SPDX-License-Identifier: Apache-2.0
#include "loop/environment.h"

#include <ATen/Version.h>
#include <ATen/cpu/Utils.h>
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "comm/agree.h"
#include "config/environment.h"
#include "lockstep/base/log.h"
#include "optim/kernels/update_kernels.h"

namespace lockstep {
namespace {

// Counts up when arithmetic of our own changes: the tree of sums, initialisation. The optimizers' updates
// have a number of their own, kUpdateKernels.
const char* const kKernels = "2";

// Vector instructions the processor has. MKL and oneDNN choose their kernels by these, whatever
// ATEN_CPU_CAPABILITY says to LibTorch's own.
std::string cpu_features() {
  std::set<std::string> names;
  for (const auto& [name, value] : at::cpu::get_cpu_capabilities()) {
    const bool vector = name.starts_with("avx") || name.starts_with("fma") || name.starts_with("amx") ||
                        name.starts_with("sve") || name.starts_with("neon");
    if (vector && value.isBool() && value.toBool()) names.insert(name);
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

// The version in a line of a library about itself.
std::string version_in(const std::string& text) {
  std::smatch found;
  const bool has = std::regex_search(text, found, std::regex("[0-9]+\\.[0-9]+(\\.[0-9]+)?"));
  return has ? found.str() : "none";
}

const char* const kUpdates = "update_kernels";
const char* const kUpdatesOfATen = "aten";

struct RankEnvironment {
  std::string host;
  Environment environment;
};

std::string encode(const std::string& host, const Environment& mine) {
  return nlohmann::json{{"host", host}, {"environment", mine}}.dump();
}

RankEnvironment decode(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  return {json.at("host"), json.at("environment")};
}

// On rank 0: the first rank that is unlike rank 0, and in what.
std::string unlike_root(const std::vector<std::string>& texts) {
  const RankEnvironment root = decode(texts.at(0));
  for (std::size_t rank = 1; rank < texts.size(); ++rank) {
    const RankEnvironment other = decode(texts[rank]);
    const std::string what = difference(root.environment, other.environment, " against ");
    if (!what.empty())
      return fmt::format("rank 0 on {} and rank {} on {} compute other bits: {}", root.host, rank, other.host,
                         what);
  }
  return "";
}

}  // namespace

Environment describe_environment(const ComputeDevice& compute) {
  const std::string chosen = kernel_choice();
  return {{"lockstep", "0.1.0"},
          {"kernels", kKernels},
          {kUpdates, compute.device.is_cuda() ? kUpdatesOfATen : std::to_string(kUpdateKernels)},
          {"libtorch", TORCH_VERSION},
          {"mkl", version_in(at::get_mkl_version())},
          {"onednn", version_in(at::get_mkldnn_version())},
          {"device", compute.device.is_cuda() ? "cuda" : "cpu"},
          {"cpu_capability", at::get_cpu_capability()},
          {"cpu_features", cpu_features()},
          {"kernel_choice", chosen.empty() ? "default" : chosen},
          {"threads", std::to_string(at::get_num_threads())}};
}

std::string difference(const Environment& before, const Environment& now, const char* between) {
  std::string text;
  for (const auto& [key, value] : before) {
    const auto found = now.find(key);
    if (found == now.end() || found->second == value) continue;
    text += fmt::format("{}{} {}{}{}", text.empty() ? "" : ", ", printable(key), printable(value), between,
                        printable(found->second));
  }
  return text;
}

bool compare_ranks(World& world, const Environment& mine, const DistOptions& dist, Reporter& reporter) {
  const std::vector<std::string> texts = gather_on_root(world, encode(world.place().host, mine));
  std::string what;
  on_root(world, [&] {
    what = unlike_root(texts);
    if (what.empty()) return;
    if (!dist.fast())
      throw Fault(ExitCode::kConfig, what + "; dist.reduce exact promises equal bits",
                  "Start all ranks on machines of one kind, with equal threads, libraries and variables that "
                  "choose kernels, or set dist.reduce=fast");
    log_warning("{}", what);
    reporter.event("ranks_differ", {{"what", what}});
  });
  return agree_on_root(world, what).value.empty();
}

void note_change(const Environment& before, const Environment& now, Step step, Reporter& reporter) {
  // Where a checkpoint of ours does not say, ATen's fused kernels made it. One of others says nothing at all.
  Environment then = before;
  if (!then.empty()) then.try_emplace(kUpdates, kUpdatesOfATen);
  const std::string what = difference(then, now);
  if (what.empty()) return;
  log_warning("from step {} on, bits may differ from an undisturbed run: {}", step.value + 1, what);
  reporter.event("environment_changed", {{"step", std::to_string(step.value + 1)}, {"changes", what}});
}

}  // namespace lockstep
