// SPDX-License-Identifier: Apache-2.0
#include "lockstep/loop/session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <map>
#include <thread>

#include "comm/agree.h"
#include "comm/agree_alike.h"
#include "comm/launch/job.h"
#include "config/environment.h"
#include "lockstep/base/error.h"
#include "lockstep/base/hash.h"
#include "lockstep/base/log.h"
#include "loop/compute_device.h"
#include "loop/one_catch.h"
#include "loop/opened_run.h"
#include "loop/session_impl.h"
#include "loop/standard_streams.h"
#include "parallel/arena.h"
#include "run/stop_signals.h"
#include "run/supervisor_line.h"
#include "tensors/tensor_span.h"

namespace lockstep {
namespace {

// "rank 0: backward(step 4); ranks 1, 2: after(step 3)".
std::string who_said_what(const std::vector<std::string>& verbs) {
  std::map<std::string, std::string> ranks;
  for (std::size_t rank = 0; rank < verbs.size(); ++rank) {
    std::string& list = ranks[verbs[rank]];
    list += (list.empty() ? "" : ", ") + std::to_string(rank);
  }
  std::string text;
  for (const auto& [verb, list] : ranks)
    text += fmt::format("{}{} of rank{} {}", text.empty() ? "" : "; ", verb,
                        list.find(',') == std::string::npos ? "" : "s", list);
  return text;
}

std::string kind_of(const torch::Tensor& tensor) {
  return fmt::format("{} [{}]", c10::toString(tensor.scalar_type()), fmt::join(tensor.sizes(), ", "));
}

// What a body throws between two verbs it mostly throws on all ranks, and no rank may wait for the others
// there. So they give the first a moment to say it, and to end them.
void let_root_speak(const World& world) {
  if (world.is_root()) return;
  constexpr std::chrono::milliseconds kMoment(300), kLook(10), kEnd(3000);
  for (auto waited = kLook; waited < kMoment && stop_signal_received() == 0; waited += kLook)
    std::this_thread::sleep_for(kLook);
  // A launcher that ends a job asks first.
  if (stop_signal_received() != 0) std::this_thread::sleep_for(kEnd);
}

void run_body(const std::function<void(Session&)>& body, Session& session) {
  try {
    body(session);
  } catch (const AgreedFault&) {
    throw;
  } catch (...) {
    let_root_speak(session.world());
    throw;
  }
}

World join(const JobOptions& options) {
  JoinOptions join;
  join.launch = launch_options();
  join.dist.backend = options.backend;
  join.watch = WatchOptions{};
  join.watch->limit_s = options.watch_limit_s;
  join.cuda = options.device == "cuda" || (options.device == "auto" && torch::cuda::is_available());
  return join_speaking(join);
}

}  // namespace

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Session::~Session() = default;

void Session::Impl::begin_verb(const std::string& verb, const std::optional<Fault>& wrong) {
  const std::string said = wrong ? fmt::format("{}, where {},", verb, wrong->fact()) : verb;
  if (agree_alike(world, 0, digest_of(said).low).value.alike) {
    if (wrong) throw AgreedFault(wrong->code(), wrong->fact(), wrong->remedy());
    return;
  }
  const std::vector<std::string> verbs = gather_on_root(world, said);
  const std::string text = lockstep::agree_on_root(world, world.is_root() ? who_said_what(verbs) : "").value;
  throw AgreedFault(
      ExitCode::kBug, "the ranks called different things: " + text,
      "Every rank calls the same collective functions in the same order, for the same step and with the "
      "same numbers: none of them may stand in an `if` that depends on the rank or its data");
}

HostDomain* Session::Impl::domain() {
  if (!domain_) domain_ = HostDomain::meet(world);
  return domain_->get();
}

int Session::rank() const {
  return impl_->world.rank().value;
}

int Session::world_size() const {
  return impl_->world.size().value;
}

int Session::local_rank() const {
  return impl_->world.place().local_rank;
}

torch::Device Session::device() const {
  return impl_->device;
}

World& Session::world() {
  return impl_->world;
}

void Session::barrier() {
  impl_->begin_verb("barrier()");
}

void Session::broadcast(torch::Tensor tensor) {
  impl_->begin_verb("broadcast(" + kind_of(tensor) + ")");
  Communicator& group = tensor.is_cpu() ? impl_->world.host() : impl_->world.device();
  group.broadcast(span_of(tensor), Rank(0));
  group.synchronize();
}

void Session::all_reduce_sum(torch::Tensor tensor) {
  impl_->begin_verb("all_reduce_sum(" + kind_of(tensor) + ")");
  Communicator& group = tensor.is_cpu() ? impl_->world.host() : impl_->world.device();
  group.all_reduce(span_of(tensor), span_of(tensor), ReduceOp::kSum);
  group.synchronize();
}

std::int64_t Session::agree_max(std::int64_t mine) {
  impl_->begin_verb("agree_max()");
  return lockstep::agree_max(impl_->world, mine).value;
}

std::string Session::agree_on_root(const std::string& mine) {
  impl_->begin_verb("agree_on_root()");
  return lockstep::agree_on_root(impl_->world, mine).value;
}

void Session::agree_same(const std::string& what, const std::string& mine) {
  impl_->begin_verb("agree_same(" + what + ")");
  lockstep::agree_same(impl_->world, what, mine, ExitCode::kBug);
}

int run_job(const std::function<void(Session&)>& body, const JobOptions& options) {
  take_standard_streams();
  return with_the_one_catch("this program", [&] {
    listen_for_stop_signals();
    supervisor_line().join(supervisor_address(), rank_by_launcher());
    World world = join(options);
    torch::Device device = torch::kCPU;
    StopTimes times;
    together(world, [&] {
      device = use_device({options.device, options.threads, options.keep_memory}, world.place().local_rank);
      times = stop_times();
    });
    if (world.is_root()) answer_stop_signals();
    limit_stops(times);
    Session session(std::make_unique<Session::Impl>(std::move(world), device));
    session.impl().stop_times = times;
    run_body(body, session);
    session.impl().begin_verb("the end of the job");
    const ExitCode code = session.impl().ending.value_or(ExitCode::kDone);
    if (session.is_root()) supervisor_line().ended(code);
    return static_cast<int>(code);
  });
}

}  // namespace lockstep
