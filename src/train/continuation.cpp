// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "lockstep/base/error.h"
#include "lockstep/base/random.h"
#include "lockstep/train/predictor.h"

namespace lockstep {
namespace {

// Keeps these numbers apart from those other uses of a seed draw.
constexpr std::uint64_t kContinuationStream = 0x636f6e74;

// In [0, 1): the 53 bits a double holds exactly.
double uniform(std::uint64_t key) {
  return static_cast<double>(key >> 11) * 0x1p-53;
}

void check_request(const std::vector<std::int64_t>& prompt, const ContinuationOptions& options) {
  if (prompt.empty())
    throw Fault(ExitCode::kConfig, "the prompt is empty", "Give at least one token to go on from");
  if (!(options.temperature >= 0) || options.context < 1 || options.tokens < 0)
    throw Fault(ExitCode::kConfig,
                fmt::format("temperature {}, {} tokens, context {}", options.temperature, options.tokens,
                            options.context),
                "Temperature and tokens are at least 0, the context at least 1");
}

// The scores of what comes next, [vocabulary] in float64 on the host.
torch::Tensor next_scores(const Predictor& predictor, const std::vector<std::int64_t>& window) {
  const torch::Tensor scores = predictor(torch::tensor(window, torch::kInt64).unsqueeze(0));
  if (scores.dim() != 3 || scores.size(1) != static_cast<std::int64_t>(window.size()))
    throw Fault(ExitCode::kConfig, "the model gives no score for each token, so it cannot continue a text",
                "Use model.type gpt");
  return scores.select(1, scores.size(1) - 1).squeeze(0).to(torch::kCPU, torch::kFloat64);
}

std::int64_t draw(const torch::Tensor& scores, double temperature, double at) {
  if (temperature == 0) return scores.argmax().item<std::int64_t>();
  // One pass over the running sum: the same on every machine that computes the same scores.
  const torch::Tensor sums = torch::softmax(scores / temperature, 0).cumsum(0);
  const auto* first = sums.const_data_ptr<double>();
  const auto* last = first + sums.numel();
  const auto* found = std::upper_bound(first, last, at * last[-1]);
  return std::min<std::int64_t>(found - first, sums.numel() - 1);
}

}  // namespace

std::vector<std::int64_t> continue_sequence(const Predictor& predictor,
                                            const std::vector<std::int64_t>& prompt,
                                            const ContinuationOptions& options) {
  check_request(prompt, options);
  const c10::InferenceMode inference_mode;
  std::vector<std::int64_t> all = prompt;
  for (std::int64_t place = 0; place < options.tokens; ++place) {
    const auto visible = std::min<std::size_t>(all.size(), static_cast<std::size_t>(options.context));
    const torch::Tensor scores =
        next_scores(predictor, {all.end() - static_cast<std::ptrdiff_t>(visible), all.end()});
    const std::uint64_t key = mix_key({options.seed, kContinuationStream, static_cast<std::uint64_t>(place)});
    all.push_back(draw(scores, options.temperature, uniform(key)));
  }
  return {all.begin() + static_cast<std::ptrdiff_t>(prompt.size()), all.end()};
}

}  // namespace lockstep
