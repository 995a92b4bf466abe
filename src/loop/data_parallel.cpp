// SPDX-License-Identifier: Apache-2.0
#include "lockstep/loop/data_parallel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/foreign_exception.h"
#include "base/some_of.h"
#include "comm/agree.h"
#include "comm/agree_alike.h"
#include "lockstep/base/error.h"
#include "lockstep/base/fault_point.h"
#include "lockstep/base/hash.h"
#include "lockstep/base/log.h"
#include "lockstep/base/random.h"
#include "loop/buffer_digests.h"
#include "loop/data_parallel_impl.h"
#include "loop/module_modes.h"
#include "loop/outside_holders.h"
#include "loop/same_module.h"
#include "optim/clip.h"
#include "optim/parameter_names.h"
#include "parallel/chunk_sums.h"
#include "parallel/ownership.h"
#include "parallel/tensor_rules.h"
#include "run/supervisor_line.h"
#include "tensors/generator_states.h"
#include "tensors/tensor_span.h"

namespace lockstep {
namespace {

// Keeps this use of the generator apart from dropout's.
constexpr std::uint64_t kEvaluationStream = 0x6576616c;

std::string overlap_word(BackwardOverlap overlap) {
  return overlap == BackwardOverlap::kAuto ? "auto" : overlap == BackwardOverlap::kOn ? "on" : "off";
}

// What of them decides on messages.
std::string text_of(const ParallelOptions& options) {
  return fmt::format("{} micro-batches, seed {}, {}, overlap {}, buckets of {} MiB", options.micro_batches,
                     options.seed,
                     options.fast                                 ? "fast"
                     : options.host_memory == HostMemory::kCommon ? "exact"
                                                                  : "exact, by messages",
                     overlap_word(options.overlap), options.bucket_mb);
}

// What ranks must give alike.
std::string text_of(const OptimOptions& optim, double clip) {
  std::string text = fmt::format("{} lr {} betas {} eps {} decay {} momentum {}{} clip {}", optim.type,
                                 optim.lr, fmt::join(optim.betas, ","), optim.eps, optim.weight_decay,
                                 optim.momentum, optim.nesterov ? " nesterov" : "", clip);
  for (const OptimGroup& group : optim.groups)
    text += fmt::format("; {}: lr {} betas {} eps {} decay {}", fmt::join(group.match, " "),
                        group.lr.value_or(-1), fmt::join(group.betas.value_or(std::array{-1.0, -1.0}), ","),
                        group.eps.value_or(-1), group.weight_decay.value_or(-1));
  return text;
}

void require_updatable(const ModelArena& arena) {
  const torch::ScalarType type = arena.values().scalar_type();
  if (arena.trainable().empty() || type == torch::kFloat32 || type == torch::kFloat64) return;
  throw Fault(ExitCode::kConfig,
              fmt::format("parameter {} is {}; optimize_with() updates float32 and float64",
                          arena.trainable().front().name, c10::toString(type)),
              "Keep parameters in float32 and compute under an Autocast, or take backward() and an optimizer "
              "of torch::optim");
}

// Of what a function given to the verb `name` threw.
Fault fault_of(const ForeignException& thrown, const std::string& where, const std::string& name) {
  if (thrown.kind == ForeignException::Kind::kOutOfMemory)
    return out_of_memory(thrown, "the module", "Make it, or its micro-batches, smaller");
  return Fault(ExitCode::kBug, fmt::format("{}: {}", where, thrown.text),
               "Look at the function given to " + name + "()");
}

}  // namespace

DataParallel::Impl::Impl(Session& of, torch::nn::Module& trained, const ParallelOptions& chosen)
    : session(of.impl()), module(trained), alive(trained.weak_from_this().lock()), options(chosen) {
  session.begin_verb("DataParallel()");
  World& world = session.world;
  require_same_module(world, module, text_of(options));
  together(world, [&] { lay_out(); });
  for (Lane& lane : lanes) {
    world.device().broadcast(span_of(lane.arena->values()), Rank(0));
    world.device().synchronize();
    for (const auto& [name, tensor] : lane.arena->integer_buffers()) {
      const torch::Tensor bytes = tensor.to(torch::kCPU, torch::kInt64).contiguous();
      world.host().broadcast(span_of(bytes), Rank(0));
      const torch::NoGradGuard no_grad;
      torch::Tensor(tensor).copy_(bytes);
    }
  }
  const bool shares = options.host_memory == HostMemory::kCommon && !options.fast && session.device.is_cpu();
  ExchangePlan plan{options.micro_batches, options.fast, shares ? session.domain() : nullptr,
                    overlap_word(options.overlap), options.bucket_mb};
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    // One order of collectives: those of the first dtype, then the others.
    if (i > 0) plan.overlap = overlap_word(BackwardOverlap::kOff);
    lanes[i].exchange = make_exchange(world, *lanes[i].arena, plan);
    pass->use(*lanes[i].exchange, i);
  }
}

DataParallel::Impl::~Impl() {
  session.release_state();
  for (const Lane& lane : lanes) {
    lane.exchange->end_sharing(*lane.arena);
    for (const torch::Tensor& tensor : lane.arena->trainable_tensors())
      session.parallel_parameters.erase(tensor.unsafeGetTensorImpl());
    for (const torch::Tensor& buffer : lane.arena->buffer_tensors())
      session.parallel_buffers.erase(buffer.unsafeGetTensorImpl());
  }
}

void DataParallel::Impl::lay_out() {
  if (options.micro_batches < 1)
    throw Fault(ExitCode::kConfig, fmt::format("micro_batches is {}", options.micro_batches),
                "Give at least 1");
  if (!(options.bucket_mb > 0))
    throw Fault(ExitCode::kConfig, fmt::format("bucket_mb is {}", options.bucket_mb), "Give more than 0");
  require_ordinary_tensors(module);
  warn_of_aliases();
  module.to(session.device);
  claim();
  std::vector<const ModelArena*> arenas;
  for (auto& arena : ModelArena::for_each_dtype(module)) {
    arenas.push_back(arena.get());
    lanes.push_back({std::move(arena), nullptr, nullptr});
  }
  const MicroBatchRun mine = run_of(session.world, options.micro_batches);
  const bool rounds_losses =
      std::ranges::all_of(lanes, [](const Lane& lane) { return lane.arena->values().element_size() < 4; });
  pass = std::make_unique<MicroBatchPass>(
      arenas, PassOptions{mine, options.micro_batches, options.seed, /*spares_others=*/true,
                          /*first_step=*/0, /*keeps_losses=*/rounds_losses});
  // Whoever steps all that has a gradient would go on with one from before it was frozen.
  for (torch::Tensor parameter : module.parameters())
    if (!parameter.requires_grad()) parameter.mutable_grad().reset();
  for (const auto& item : module.named_parameters())
    parameters.emplace_back(item.key(), item.value().unsafeGetTensorImpl());
  session.seed = options.seed;
  session.micro_batches = options.micro_batches;
  session.fast = session.fast || options.fast;
}

void DataParallel::Impl::warn_of_aliases() {
  const std::vector<std::string> held = held_elsewhere(module, session.once_parallel);
  for (const auto& item : module.named_parameters())
    session.once_parallel.insert(item.value().unsafeGetTensorImpl());
  if (!held.empty() && session.world.is_root())
    log_warning(
        "of {} there is another tensor over the same memory (detach(), data(), a view), which no longer "
        "follows: a DataParallel gives a module memory of its own. Make such a tensor after it",
        some_of(held));
}

void DataParallel::Impl::claim() {
  for (const auto& item : module.named_parameters())
    if (session.parallel_parameters.contains(item.value().unsafeGetTensorImpl()))
      throw Fault(ExitCode::kConfig, "parameter " + item.key() + " belongs to another DataParallel already",
                  "Put what is shared into one of the modules, and freeze or leave it out in the other");
  for (const auto& item : module.named_buffers())
    if (session.parallel_buffers.contains(item.value().unsafeGetTensorImpl()))
      throw Fault(ExitCode::kConfig, "buffer " + item.key() + " belongs to another DataParallel already",
                  "Give each module its own: two would average it, each in its own memory");
  for (const auto& item : module.named_parameters())
    if (item.value().requires_grad()) session.parallel_parameters.insert(item.value().unsafeGetTensorImpl());
  for (const auto& item : module.named_buffers())
    if (item.value().is_floating_point()) session.parallel_buffers.insert(item.value().unsafeGetTensorImpl());
}

// An edit on one rank would be averaged away, and not be seen again.
void DataParallel::Impl::require_same_start(std::int64_t step) const {
  const auto has_buffers = [](const Lane& lane) { return lane.arena->buffer_count() > 0; };
  if (std::ranges::none_of(lanes, has_buffers)) return;
  Hasher hasher;
  for (const Lane& lane : lanes) {
    const torch::Tensor host = lane.arena->buffer_values().detach().cpu();
    hasher.update({static_cast<const std::byte*>(host.const_data_ptr()), host.nbytes()});
  }
  if (agree_alike(session.world, 0, hasher.digest().low).value.alike) return;
  require_same_buffers(session.world, digests_of_buffers(module), fmt::format("before step {}", step));
}

double DataParallel::Impl::reduce(const std::string& name, const std::string& numbers, std::int64_t step,
                                  const Loss& loss) {
  World& world = session.world;
  Watch& watch = world.watch();
  set_fault_step(step + 1);
  session.begin_verb(fmt::format("{}(step {}{})", name, step, numbers), moved());
  require_same_start(step);
  // Until now a resume, or whoever starts from other weights, has written there.
  if (built_in && !std::exchange(is_sealed, true))
    for (const Lane& lane : lanes) lane.exchange->state_was_written();
  supervisor_line().progress(Step(step + 1));
  fault_point("step");
  if (step == 0 && options.check_model && pass->computed() == 0) pass->check_next();
  given.take_back();
  const auto compute = [&] {
    const PhaseScope work(watch, Phase::kCompute);
    const auto fault = [&](const ForeignException& thrown) {
      return fault_of(thrown, fmt::format("step {}, micro-batch {}", step, pass->micro_batch()), name);
    };
    const KeptGenerators kept(session.device);  // Note [draws of a loop]
    with_foreign_faults(
        [&] {
          pass->run(Step(step + 1), [&](int micro_batch) {
            return loss(MicroBatch{micro_batch, options.micro_batches, step});
          });
        },
        fault);
  };
  // Most mistakes are made on all ranks, and one of them says so. What they wait for here they would wait for
  // in the exchange.
  const std::optional<Fault> wrong = agree_detail::fault_of(compute);
  const PhaseScope exchange(watch, Phase::kExchange);
  pass->drain();
  agree_no_fault(world, wrong);
  fault_point("reduce");
  session.release_state();
  for (std::size_t i = 0; i < lanes.size(); ++i) lanes[i].exchange->reduce(pass->sums(i));
  if (const torch::Tensor losses = pass->losses(); losses.defined()) return mean_of(losses);
  const auto finest = std::ranges::max_element(
      lanes, {}, [](const Lane& lane) { return lane.arena->values().element_size(); });
  return finest->exchange->loss();
}

// Each was computed on one rank and is 0 elsewhere, so their sum is exact.
double DataParallel::Impl::mean_of(const torch::Tensor& losses) const {
  session.world.host().all_reduce(span_of(losses), span_of(losses), ReduceOp::kSum);
  session.world.host().synchronize();
  return losses.mean().item<double>();
}

std::optional<Fault> DataParallel::Impl::moved() const {
  try {
    for (const Lane& lane : lanes) lane.arena->require_intact();
    const auto now = module.named_parameters();
    const auto same = [](const auto& was, const auto& is) {
      return was.second == is.value().unsafeGetTensorImpl() && was.first == is.key();
    };
    const auto at = std::ranges::mismatch(parameters, now, same).in1;
    if (at != parameters.end() || now.size() != parameters.size())
      throw Fault(ExitCode::kConfig,
                  fmt::format("{} is another parameter than when the DataParallel was made",
                              at == parameters.end() ? now[parameters.size()].key() : at->first),
                  "");
  } catch (const Fault& fault) {
    return Fault(
        fault.code(), fault.fact(),
        "From its DataParallel on a module is not moved, re-typed, frozen or thawed, and its tensors "
        "stay the objects they are; change them in place (copy_)");
  }
  for (const Lane& lane : lanes)
    if (auto touched = lane.exchange->touched()) return touched;
  return std::nullopt;
}

void DataParallel::Impl::make_optimizers(const OptimOptions& wanted, double clip_to) {
  check(!built_in, "optimize_with() is called once");
  session.begin_verb(fmt::format("optimize_with({})", text_of(wanted, clip_to)), moved());
  together(session.world, [&] { lay_out_optimizers(wanted); });
  for (const Lane& lane : lanes)
    if (lane.optimizer) lane.exchange->share_state(*lane.arena, *lane.optimizer);
  built_in = wanted;
  lr = wanted.lr;
  clip = clip_to;
}

void DataParallel::Impl::lay_out_optimizers(const OptimOptions& wanted) {
  // Of all parameters, for what a group means does not depend on dtypes, nor on what is frozen.
  group_of = groups_by_name(wanted, module);
  for (Lane& lane : lanes) {
    require_updatable(*lane.arena);
    ParameterOffsets offsets;
    ParameterGroups groups;
    for (const ArenaEntry& entry : lane.arena->trainable()) {
      offsets.push_back(entry.offset);
      groups.push_back(group_of.at(entry.name));
    }
    if (!offsets.empty())
      lane.optimizer = FlatOptimizer::make(wanted, lane.arena->trainable_values(), {offsets, groups});
  }
}

void DataParallel::Impl::update() {
  UpdateRate rate{lr};
  if (clip > 0) {
    double squares = 0;
    for (const Lane& lane : lanes) squares += std::pow(lane.exchange->norm(), 2);
    rate.scale = clip_scale(std::sqrt(squares), clip);
  }
  const PhaseScope optimizer(session.world.watch(), Phase::kOptimizer);
  for (const Lane& lane : lanes) lane.exchange->apply(lane.optimizer.get(), rate);
}

DataParallel::DataParallel(Session& session, torch::nn::Module& module, const ParallelOptions& options)
    : impl_(std::make_unique<Impl>(session, module, options)) {}

DataParallel::~DataParallel() = default;

double DataParallel::backward(std::int64_t step, const Loss& loss) {
  const double mean_loss = impl_->reduce("backward", "", step, loss);
  for (const Impl::Lane& lane : impl_->lanes) {
    lane.exchange->average();
    impl_->given.add(lane.arena->trainable_tensors());
  }
  return mean_loss;
}

namespace {

std::vector<OptimGroup> groups_in(const std::vector<ParameterGroup>& wanted) {
  std::vector<OptimGroup> groups;
  for (const ParameterGroup& one : wanted)
    groups.push_back({one.match, one.lr, one.betas, one.eps, one.weight_decay});
  return groups;
}

}  // namespace

void DataParallel::optimize_with(const AdamW& wanted) {
  OptimOptions options;
  options.type = "adamw";
  options.lr = wanted.lr;
  options.betas = wanted.betas;
  options.eps = wanted.eps;
  options.weight_decay = wanted.weight_decay;
  options.groups = groups_in(wanted.groups);
  impl_->make_optimizers(options, wanted.clip);
}

void DataParallel::optimize_with(const Sgd& wanted) {
  OptimOptions options;
  options.type = "sgd";
  options.lr = wanted.lr;
  options.momentum = wanted.momentum;
  options.weight_decay = wanted.weight_decay;
  options.groups = groups_in(wanted.groups);
  options.nesterov = wanted.nesterov;
  impl_->make_optimizers(options, wanted.clip);
}

double DataParallel::update(std::int64_t step, const Loss& loss) {
  check(impl_->built_in.has_value(), "update() follows optimize_with()");
  const double mean_loss = impl_->reduce("update", fmt::format(", lr {}", impl_->lr), step, loss);
  impl_->update();
  return mean_loss;
}

void DataParallel::set_lr(double lr) {
  check(impl_->built_in.has_value(), "set_lr() follows optimize_with()");
  impl_->lr = lr;
}

std::map<std::string, double> DataParallel::evaluate(
    std::int64_t chunks, const std::function<std::map<std::string, Measured>(std::int64_t chunk)>& measure) {
  impl_->session.begin_verb(fmt::format("evaluate({} chunks)", chunks));
  World& world = impl_->session.world;
  const PhaseScope evaluation(world.watch(), Phase::kEvaluation);
  const EvalMode eval_mode(impl_->module);
  const KeptGenerators kept(impl_->session.device);  // Note [draws of a loop]
  // Not inference mode: what a module keeps from a first forward (a mask, a table) is used in training later.
  const torch::NoGradGuard no_grad;
  SteadyBuffers steady(impl_->module);
  const auto measured = [&](std::int64_t chunk) {
    torch::manual_seed(mix_key({kEvaluationStream, static_cast<std::uint64_t>(chunk)}));
    ChunkSums::Parts sums;
    const auto fault = [&](const ForeignException& thrown) {
      return fault_of(thrown, fmt::format("evaluation, chunk {}", chunk), "evaluate");
    };
    with_foreign_faults(
        [&] {
          for (const auto& [name, part] : measure(chunk)) sums[name] = {part.sum, part.count};
        },
        fault);
    steady.note_chunk();
    return sums;
  };
  const ChunkSums sums = ChunkSums::measured(world, chunks, measured);
  steady.require(world);
  return sums.means();
}

}  // namespace lockstep
