// SPDX-License-Identifier: Apache-2.0
#include "parallel/gradient_hooks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <atomic>

#include "lockstep/base/error.h"
#include "parallel/parameter_versions.h"

namespace lockstep {
namespace {

bool is_movable(const torch::Tensor& gradient, const ArenaEntry& entry) {
  return gradient.layout() == torch::kStrided && gradient.sizes() == c10::IntArrayRef(entry.shape);
}

[[noreturn]] void refuse(const torch::Tensor& gradient, const ArenaEntry& entry) {
  if (gradient.layout() != torch::kStrided)
    throw Fault(
        ExitCode::kConfig,
        fmt::format("the gradient of {} is sparse; gradients are summed as dense tensors", entry.name),
        "Make it dense: torch::nn::EmbeddingOptions(…).sparse(false), which is the default");
  throw Fault(ExitCode::kConfig,
              fmt::format("the gradient of {} has shape [{}], the parameter [{}]", entry.name,
                          fmt::join(gradient.sizes(), ", "), fmt::join(entry.shape, ", ")),
              "Whatever the model puts into .grad must have the parameter's shape");
}

}  // namespace

struct GradientHooks::Target {
  enum class GradientPlace : char {
    kOutside,  // not in the contribution; in .grad, if there is one
    kMoved,
    kSpoiled,  // moved, and then more came
  };

  std::vector<ArenaEntry> entries;
  std::vector<torch::Tensor> parameters;
  PartialSum* sum = nullptr;         // the contribution
  std::vector<torch::Tensor> views;  // its places for gradients
  Adopts adopts;
  Moved moved;
  std::vector<GradientPlace> places;  // each written by the one thread that accumulates there
  std::vector<char> late;             // for good
  ParameterVersions versions;
  torch::Tensor counts;  // the part of the contribution that says who was reached
  torch::Tensor ones;    // what it is nearly always
  std::atomic<bool> watching = false;
  bool accumulate = false;

  void hook(std::size_t index) {
    if (!watching || late[index]) return;
    if (places[index] == GradientPlace::kOutside) {
      if (!is_movable(parameters[index].grad(), entries[index])) return;
      move(index);
      if (moved) moved(index);
      return;
    }
    places[index] = GradientPlace::kSpoiled;
    late[index] = 1;
  }

  void put(const torch::Tensor& place, const torch::Tensor& value) const {
    accumulate ? place.add_(value) : place.copy_(value);
  }

  void move(std::size_t index) {
    const torch::NoGradGuard no_grad;
    torch::Tensor& gradient = parameters[index].mutable_grad();
    if (accumulate && sum->is_born(index)) {
      sum->born[index].add_(gradient);
    } else if (!accumulate && adopts && adopts(gradient)) {
      sum->born[index] = gradient.detach();
    } else {
      put(views[index], gradient);
    }
    gradient.reset();
    places[index] = GradientPlace::kMoved;
  }

  // After backward, when autograd holds it no more.
  void leave_what_others_hold(std::size_t index) {
    if (accumulate || !sum->is_born(index)) return;
    torch::Tensor& born = sum->born[index];
    if (born.storage().use_count() == 1) return;
    views[index].copy_(born);
    born.reset();
  }

  // False when it cannot be right.
  bool settle(std::size_t index) {
    torch::Tensor& gradient = parameters[index].mutable_grad();
    const bool more = gradient.defined() && places[index] == GradientPlace::kMoved;
    if (more || places[index] == GradientPlace::kSpoiled) {
      late[index] = 1;
      return false;
    }
    if (gradient.defined()) {
      if (!is_movable(gradient, entries[index])) refuse(gradient, entries[index]);
      move(index);
    } else if (places[index] == GradientPlace::kOutside && !accumulate) {
      views[index].zero_();
    }
    leave_what_others_hold(index);
    return true;
  }

  void count_reached() const {
    if (std::count(places.begin(), places.end(), GradientPlace::kMoved) == std::ssize(places))
      return put(counts, ones);
    // On the device itself: a copy from the host could not be recorded (Note [graphed pass]).
    const torch::Tensor reached = torch::ones_like(ones);
    for (std::size_t i = 0; i < places.size(); ++i)
      if (places[i] != GradientPlace::kMoved) reached[static_cast<std::int64_t>(i)].zero_();
    put(counts, reached);
  }
};

namespace {
// What autograd calls; the target outlives it through the shared pointer.
template <class Target>
struct Hook : torch::autograd::PostAccumulateGradHook {
  Hook(std::shared_ptr<Target> owner, std::size_t place) : target(std::move(owner)), index(place) {}
  void operator()(const torch::autograd::Variable& parameter) override {
    if (before) (*before)(parameter);
    // Somebody else's hook may want to find .grad where it was.
    if (!before) target->hook(index);
  }

  std::shared_ptr<Target> target;
  std::size_t index;
  std::unique_ptr<torch::autograd::PostAccumulateGradHook> before;  // the user's own
};
}  // namespace

GradientHooks::GradientHooks(const ModelArena& arena) : arena_(arena), target_(std::make_shared<Target>()) {
  target_->entries = arena.trainable();
  target_->parameters = arena.trainable_tensors();
  target_->late.assign(arena.trainable_tensors().size(), 0);
  target_->ones = torch::ones({std::ssize(arena.trainable_tensors())}, arena.values().options());
  for (std::size_t i = 0; i < target_->parameters.size(); ++i) {
    auto hook = std::make_unique<Hook<Target>>(target_, i);
    hook->before = std::move(torch::autograd::impl::post_acc_grad_hooks(target_->parameters[i]));
    torch::autograd::impl::set_post_acc_grad_hooks(target_->parameters[i], std::move(hook));
  }
}

GradientHooks::~GradientHooks() {
  for (const torch::Tensor& parameter : target_->parameters) {
    auto* ours = dynamic_cast<Hook<Target>*>(torch::autograd::impl::post_acc_grad_hooks(parameter).get());
    if (ours != nullptr) torch::autograd::impl::set_post_acc_grad_hooks(parameter, std::move(ours->before));
  }
}

void GradientHooks::adopt(Adopts adopts) {
  target_->adopts = std::move(adopts);
}

void GradientHooks::tell(Moved moved) {
  target_->moved = std::move(moved);
}

void GradientHooks::aim(PartialSum& contribution, bool accumulate) {
  Target& target = *target_;
  target.sum = &contribution;
  if (!accumulate) contribution.born.assign(target.adopts ? target.entries.size() : 0, {});
  target.views.clear();
  for (const ArenaEntry& entry : target.entries)
    target.views.push_back(ModelArena::view(contribution.flat, entry));
  target.counts = contribution.flat.narrow(0, arena_.reached_offset(), std::ssize(target.entries));
  for (const torch::Tensor& parameter : target.parameters) parameter.mutable_grad().reset();
  target.places.assign(target.parameters.size(), Target::GradientPlace::kOutside);
  target.accumulate = accumulate;
  target.versions.note(arena_);
}

void GradientHooks::watch() {
  target_->watching = true;
}

// A rank would make such a change as often as it computes micro-batches.
void GradientHooks::require_unchanged_parameters() const {
  const std::string changed = target_->versions.changed(arena_);
  if (changed.empty()) return;
  throw Fault(ExitCode::kConfig, fmt::format("parameter {} was changed in place by the model", changed),
              "Parameters change through the optimizer alone. What a model changes itself, as a moving "
              "average of weights, belongs into a buffer: register_buffer()");
}

bool GradientHooks::reached_any() const {
  return std::ranges::count(target_->places, Target::GradientPlace::kMoved) > 0;
}

GradientHooks::Outcome GradientHooks::settle() {
  Target& target = *target_;
  target.watching = false;
  arena_.require_intact();
  require_unchanged_parameters();
  const torch::NoGradGuard no_grad;
  bool complete = true;
  for (std::size_t i = 0; i < target.parameters.size(); ++i) {
    complete = target.settle(i) && complete;
    target.parameters[i].mutable_grad().reset();
  }
  if (complete) target.count_reached();
  return complete ? Outcome::kComplete : Outcome::kSpoiled;
}

}  // namespace lockstep
