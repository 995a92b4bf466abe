// SPDX-License-Identifier: Apache-2.0
#include "train/divergence.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>

#include "comm/agree.h"
#include "data/host_batch.h"
#include "lockstep/models/autocast.h"
#include "parallel/micro_batch_key.h"
#include "train/odd_values.h"
#include "train/user_code.h"

namespace lockstep {
namespace {

// In the order in which they are believed: what comes first makes what comes after.
enum class Suspect : int { kSample = 0, kParameter = 1, kLoss = 2, kGradient = 3, kNone = 4 };

struct Finding {
  Suspect suspect = Suspect::kNone;
  int micro_batch = 0;
  DivergenceCause cause;

  std::int64_t rank_among() const { return (static_cast<std::int64_t>(suspect) << 32) + micro_batch; }
};

std::vector<std::int64_t> samples_of(const DivergedStep& diverged, int micro_batch) {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < diverged.plan.micro_batch; ++i)
    indices.push_back(diverged.order.index_of(diverged.step, micro_batch * diverged.plan.micro_batch + i));
  return indices;
}

std::optional<Finding> look_at_samples(const DivergedStep& diverged) {
  for (int number = 0; number < diverged.plan.mine.count; ++number) {
    const HostBatch& host = (*diverged.batch)[static_cast<std::size_t>(number)];
    const Batch batch = to_device(host, {torch::kCPU, diverged.state.compute().dtype});
    const int micro_batch = diverged.plan.mine.first + number;
    for (std::int64_t slot = 0; slot < host.samples(); ++slot) {
      const std::int64_t index = host.indices()[static_cast<std::size_t>(slot)];
      if (const auto odd = odd_sample({diverged.data, index, batch, slot}))
        return Finding{Suspect::kSample,
                       micro_batch,
                       {fmt::format("{} (micro-batch {})", *odd, micro_batch),
                        "Mend that sample or leave it out, then start again"}};
    }
  }
  return std::nullopt;
}

std::optional<Finding> look_at_parameters(const DivergedStep& diverged) {
  for (const ArenaEntry& entry : diverged.state.arena().parameters()) {
    const torch::Tensor values = ModelArena::view(diverged.state.arena().values(), entry);
    if (all_finite(values)) continue;
    const std::int64_t update = diverged.step.value - (diverged.batch == nullptr ? 0 : 1);
    return Finding{
        Suspect::kParameter,
        0,
        {fmt::format("parameter {} is not finite since the update of step {}: its gradient was not, or the "
                     "update was too large ({})",
                     entry.name, update, first_odd_value(values)),
         "log.every_steps=1 looks at the gradients of every step; lower "
         "optim.lr if they are finite"}};
  }
  return std::nullopt;
}

// One micro-batch once more, its gradients taken aside.
std::optional<Finding> look_at_micro_batch(const DivergedStep& diverged, const ReadBatch& read,
                                           int micro_batch) {
  TrainingState& state = diverged.state;
  torch::manual_seed(micro_batch_key(diverged.seed, diverged.step, micro_batch));
  const torch::Tensor loss = [&] {
    const Autocast mixed(state.compute().device.type(), state.compute().autocast);
    return diverged.targets.loss(state.model(), state.model().forward(read.batch), read);
  }();
  const double value = without_sign(loss.item<double>());
  const std::string where = fmt::format("micro-batch {} ({})", micro_batch,
                                        places_of(diverged.data, samples_of(diverged, micro_batch)));
  if (!std::isfinite(value))
    return Finding{
        Suspect::kLoss,
        micro_batch,
        {fmt::format("the loss of {} is {}, from inputs and parameters that are finite", where, value),
         "Lower optim.lr or lengthen schedule.warmup_steps; look "
         "for a logarithm or a division in the model's loss"}};
  std::vector<std::string> names;
  std::vector<torch::Tensor> parameters;
  for (const auto& item : state.model().named_parameters())
    if (item.value().requires_grad()) {
      names.push_back(item.key());
      parameters.push_back(item.value());
    }
  const auto gradients =
      torch::autograd::grad({loss}, parameters, {}, std::nullopt, false, /*allow_unused=*/true);
  for (std::size_t i = 0; i < gradients.size(); ++i)
    if (gradients[i].defined() && !all_finite(gradients[i]))
      return Finding{
          Suspect::kGradient,
          micro_batch,
          {fmt::format("the gradient of parameter {} is not finite in {}, where the loss is {} ({})",
                       names[i], where, value, first_odd_value(gradients[i])),
           "Look at the backward of what uses it: a square root or "
           "logarithm at 0, a division. train.grad_clip does not help: it scales, and these stay"}};
  return std::nullopt;
}

Finding look(const DivergedStep& diverged) {
  if (diverged.batch != nullptr)
    if (const auto found = look_at_samples(diverged)) return *found;
  if (const auto found = look_at_parameters(diverged)) return *found;
  Finding best;
  best.cause = {
      "looked at once more, every sample, loss and gradient of it is finite: their sum is too large, or "
      "this machine does not compute the same twice",
      "Lower optim.lr, or try another machine"};
  if (diverged.batch == nullptr) return best;
  for (int i = 0; i < diverged.plan.mine.count; ++i) {
    const HostBatch& host = (*diverged.batch)[static_cast<std::size_t>(i)];
    const auto found = look_at_micro_batch(diverged, {host, to_device(host, diverged.state.compute())},
                                           diverged.plan.mine.first + i);
    if (found && found->rank_among() < best.rank_among()) best = *found;
  }
  return best;
}

}  // namespace

DivergenceCause find_cause(const DivergedStep& diverged) {
  Finding mine;
  try {
    mine = look(diverged);
  } catch (const std::exception& error) {
    // The run ends with 93 either way; a model that does not bear a second look may not change that.
    mine = {Suspect::kNone,
            0,
            {fmt::format("looking for the cause failed: {}", error.what()),
             "Lower optim.lr, or look at the data"}};
  }
  World& world = diverged.world;
  const Agreed<std::int64_t> first = agree_min(world, mine.rank_among());
  const bool is_mine = first.value == mine.rank_among();
  const bool is_state = first.value >> 32 == static_cast<std::int64_t>(Suspect::kParameter);
  return {text_of_first(world, is_mine ? mine.cause.fact : ""),
          text_of_first(world, is_mine ? mine.cause.remedy : ""), is_state};
}

}  // namespace lockstep
