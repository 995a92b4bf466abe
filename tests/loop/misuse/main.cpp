// SPDX-License-Identifier: Apache-2.0
// misuse NAME DIR: a loop that trains 8 steps and saves every second, and does wrong what NAME says; `none`
// does nothing wrong. Where only one rank errs it is rank 1. misuse_test.sh says what comes of each.
#include <lockstep/lockstep.h>
#include <torch/torch.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>

namespace {

using namespace lockstep;

constexpr std::int64_t kSteps = 8;
constexpr std::int64_t kWhen = 5;  // the step at which a loop errs that ran well until then

struct NetImpl : torch::nn::Module {
  explicit NetImpl(std::int64_t width) {
    in = register_module("in", torch::nn::Linear(4, width));
    out = register_module("out", torch::nn::Linear(width, 1));
    seen = register_buffer("seen", torch::zeros({}, torch::kInt64));
  }
  torch::Tensor forward(const torch::Tensor& x) {
    if (counts) seen.add_((x > 0).sum());
    return out(torch::tanh(in(x)));
  }
  torch::nn::Linear in{nullptr}, out{nullptr};
  torch::Tensor seen;
  bool counts = false;
};
TORCH_MODULE(Net);

struct Loop {
  explicit Loop(Session& of) : session(of), odd(of.rank() == 1) {}

  Session& session;
  bool odd;  // this is the rank that errs alone
  Net net{nullptr};
  std::unique_ptr<torch::optim::Optimizer> optimizer, second;
  std::unique_ptr<DataParallel> parallel, another;
  std::unique_ptr<Checkpoints> saves;
  torch::nn::Linear stranger{4, 1};  // a module that nobody adds
  torch::Tensor own = torch::ones({3}), more = torch::ones({2});
  std::int64_t count = 0;
  std::string text;
  ParallelOptions options = {.micro_batches = 4, .seed = 3};
  SaveOptions saving = {.steps = kSteps, .every_steps = 2, .every_minutes = 0};
  std::function<torch::Tensor(MicroBatch, torch::Tensor)> change_loss;
  std::int64_t width = 8, backward_late = 0, after_late = 0;
  bool leaves_out_backward = false, leaves_out_after = false, resumes = true, leaves = false;
  std::function<void()> between;  // two updates
  bool built_in = false;          // update() instead of backward() and step()
};

// Where in a loop its misuse comes.
enum class At { kBegin, kMade, kAdded, kResumed, kStep, kUpdated };

struct Misuse {
  At at;
  std::function<void(Loop&)> act;
};

template <class Optimizer>
std::unique_ptr<torch::optim::Optimizer> make(const std::vector<torch::Tensor>& parameters) {
  return std::make_unique<Optimizer>(parameters, 1e-2);
}

void change_in_place(const Net& net, double factor) {
  const torch::NoGradGuard no_grad;
  net->in->weight.mul_(factor);
}

// Past what LibTorch counts.
void change_data(const Net& net, double factor) {
  net->in->weight.data().mul_(factor);
}

void use_built_in(Loop& loop) {
  loop.built_in = true;
  loop.parallel->optimize_with(AdamW{.lr = 1e-2});
}

torch::Tensor loss_of(Loop& loop, MicroBatch m);

// What the ranks had in common is each rank's own when its DataParallel ends.
void change_after_the_end(Loop& loop) {
  use_built_in(loop);
  loop.parallel->update(0, [&](MicroBatch m) { return loss_of(loop, m); });
  loop.parallel.reset();
  for (int times = 0; times < 1000; ++times) change_data(loop.net, loop.odd ? 0.99 : 1.01);
  loop.session.barrier();
  const float largest = loop.net->in->weight.abs().max().item<float>();
  const bool own = loop.odd ? largest < 0.01 : largest > 10;
  throw std::runtime_error(own ? "each rank has a copy" : "the ranks have one copy still");
}

// Verbs: left out, or of another step.
std::map<std::string, Misuse> misuses_of_verbs() {
  return {
      {"backward-left-out", {At::kStep, [](Loop& l) { l.leaves_out_backward = l.odd; }}},
      {"after-left-out", {At::kStep, [](Loop& l) { l.leaves_out_after = l.odd; }}},
      {"barrier-left-out",
       {At::kStep,
        [](Loop& l) {
          if (!l.odd) l.session.barrier();
        }}},
      {"resume-left-out", {At::kAdded, [](Loop& l) { l.resumes = !l.odd; }}},
      {"loop-left", {At::kStep, [](Loop& l) { l.leaves = l.odd; }}},
      {"backward-of-another-step", {At::kStep, [](Loop& l) { l.backward_late = l.odd ? 1 : 0; }}},
      {"after-of-another-step", {At::kStep, [](Loop& l) { l.after_late = l.odd ? 1 : 0; }}},
      {"after-of-a-wrong-step", {At::kStep, [](Loop& l) { l.after_late = 1; }}},
      {"after-before-resume", {At::kAdded, [](Loop& l) { (void)l.saves->after(0); }}},
      {"resume-twice", {At::kResumed, [](Loop& l) { l.saves->resume(); }}},
      {"broadcast-of-another-shape",
       {At::kStep, [](Loop& l) { l.session.broadcast(torch::zeros({l.odd ? 3 : 4})); }}},
      {"loop-throws", {At::kStep, [](Loop&) { throw std::runtime_error("no such file"); }}},
      {"loop-throws-on-one-rank",
       {At::kStep,
        [](Loop& l) {
          if (l.odd) throw std::runtime_error("no such file");
        }}},
      {"evaluation-throws",
       {At::kStep,
        [](Loop& l) {
          l.parallel->evaluate(4, [](std::int64_t chunk) -> std::map<std::string, Measured> {
            throw std::runtime_error("no chunk " + std::to_string(chunk));
          });
        }}},
      {"evaluates-other-things",
       {At::kStep,
        [](Loop& l) {
          l.parallel->evaluate(4, [&](std::int64_t) {
            std::map<std::string, Measured> measured = {{"error", {1, 1}}};
            if (l.odd) measured["more"] = {1, 1};
            return measured;
          });
        }}},
  };
}

// What is added to the checkpoints, and the options of them.
std::map<std::string, Misuse> misuses_of_checkpoints() {
  return {
      {"added-late", {At::kResumed, [](Loop& l) { l.saves->add("late", l.more); }}},
      {"added-late-on-one-rank",
       {At::kResumed,
        [](Loop& l) {
          if (l.odd) l.saves->add("late", l.more);
        }}},
      {"added-twice", {At::kAdded, [](Loop& l) { l.saves->add("own", l.more); }}},
      {"added-twice-on-one-rank",
       {At::kAdded,
        [](Loop& l) {
          if (l.odd) l.saves->add("own", l.more);
        }}},
      {"added-more-on-one-rank",
       {At::kAdded,
        [](Loop& l) {
          if (l.odd) l.saves->add("more", l.more);
        }}},
      {"another-optimizer-on-one-rank",
       {At::kMade,
        [](Loop& l) {
          if (l.odd) l.optimizer = make<torch::optim::AdamW>(l.net->parameters());
        }}},
      {"optimizer-of-a-stranger",
       {At::kAdded,
        [](Loop& l) {
          l.second = make<torch::optim::Adam>(l.stranger->parameters());
          l.saves->add("second", *l.second);
        }}},
      {"two-optimizers-of-one-parameter",
       {At::kAdded,
        [](Loop& l) {
          l.second = make<torch::optim::Adam>(l.net->out->parameters());
          l.saves->add("second", *l.second);
        }}},
      {"own-tensor-differs", {At::kUpdated, [](Loop& l) { l.own.fill_(l.session.rank()); }}},
      {"own-shape-differs",
       {At::kUpdated,
        [](Loop& l) {
          if (l.odd) l.own = torch::ones({4});
        }}},
      {"own-number-differs", {At::kUpdated, [](Loop& l) { l.count = l.session.rank(); }}},
      {"own-text-differs", {At::kUpdated, [](Loop& l) { l.text = l.odd ? "one" : "other"; }}},
      {"options-differ", {At::kBegin, [](Loop& l) { l.saving.every_steps = l.odd ? 3 : 2; }}},
      {"options-without-steps", {At::kBegin, [](Loop& l) { l.saving.steps = 0; }}},
      {"adds-more-than-was-saved", {At::kAdded, [](Loop& l) { l.saves->add("more", l.more); }}},
      {"the-one-copy-changed-in-place",
       {At::kMade,
        [](Loop& l) {
          use_built_in(l);
          l.between = [&l] { change_in_place(l.net, 0.5); };
        }}},
      {"the-one-copy-left", {At::kMade, change_after_the_end}},
      {"the-data-of-the-one-copy-changed",
       {At::kMade,
        [](Loop& l) {
          use_built_in(l);
          l.between = [&l] { change_data(l.net, 0.5); };
        }}},
      {"other-numbers-of-the-optimizer-on-one-rank",
       {At::kMade, [](Loop& l) { l.parallel->optimize_with(AdamW{.lr = l.odd ? 2e-2 : 1e-2}); }}},
      {"other-rate-on-one-rank",
       {At::kMade,
        [](Loop& l) {
          l.built_in = true;
          l.parallel->optimize_with(AdamW{.lr = 1e-2});
          if (l.odd) l.parallel->set_lr(2e-2);
        }}},
      {"other-optimizer-than-was-saved",
       {At::kMade, [](Loop& l) { l.optimizer = make<torch::optim::Adagrad>(l.net->parameters()); }}},
      {"other-width-than-was-saved", {At::kBegin, [](Loop& l) { l.width = 16; }}},
  };
}

// The module, its parameters, and what a loss does.
std::map<std::string, Misuse> misuses_of_the_module() {
  return {
      {"too-few-micro-batches", {At::kBegin, [](Loop& l) { l.options.micro_batches = 1; }}},
      {"module-differs", {At::kBegin, [](Loop& l) { l.width = l.odd ? 8 : 9; }}},
      {"two-parallels-of-one-module",
       {At::kMade,
        [](Loop& l) { l.another = std::make_unique<DataParallel>(l.session, *l.net, l.options); }}},
      {"module-retyped", {At::kStep, [](Loop& l) { l.net->to(torch::kFloat64); }}},
      {"module-retyped-on-one-rank",
       {At::kStep,
        [](Loop& l) {
          if (l.odd) l.net->to(torch::kFloat64);
        }}},
      {"module-frozen", {At::kStep, [](Loop& l) { l.net->in->weight.set_requires_grad(false); }}},
      {"module-replaced", {At::kStep, [](Loop& l) { l.net = Net(l.width); }}},
      {"layer-replaced",
       {At::kStep, [](Loop& l) { l.net->in = l.net->replace_module("in", torch::nn::Linear(4, l.width)); }}},
      {"parameter-changed-while-copied", {At::kUpdated, [](Loop&) {}}},  // in after_step()
      {"parameter-changed-on-one-rank",
       {At::kUpdated,
        [](Loop& l) {
          if (l.odd) change_in_place(l.net, 1.5);
        }}},
      {"integers-of-the-data", {At::kBegin, [](Loop& l) { l.net->counts = true; }}},
      {"integers-of-the-data-of-a-rank",
       {At::kBegin,
        [](Loop& l) {
          l.options.micro_batches = 2;
          l.net->counts = true;
        }}},
      {"loss-not-finite",
       {At::kStep,
        [](Loop& l) {
          l.change_loss = [](MicroBatch m, const torch::Tensor& loss) {
            return m.index == 3 ? loss * std::numeric_limits<double>::quiet_NaN() : loss;
          };
        }}},
      {"loss-of-many-numbers",
       {At::kBegin,
        [](Loop& l) {
          l.change_loss = [](MicroBatch, const torch::Tensor& loss) { return loss.expand({2}); };
        }}},
      {"loss-detached",
       {At::kBegin,
        [](Loop& l) {
          l.change_loss = [](MicroBatch, const torch::Tensor& loss) { return loss.detach(); };
        }}},
      {"loss-of-another-module",
       {At::kStep,
        [](Loop& l) {
          l.change_loss = [&l](MicroBatch, const torch::Tensor&) {
            return l.stranger(torch::ones({1, 4})).sum();
          };
        }}},
      {"loss-of-the-clock",
       {At::kBegin,
        [](Loop& l) {
          l.change_loss = [calls = 0](MicroBatch, const torch::Tensor& loss) mutable {
            return loss * static_cast<double>(++calls);
          };
        }}},
      {"loss-throws",
       {At::kStep,
        [](Loop& l) {
          l.change_loss = [&l](MicroBatch, const torch::Tensor& loss) -> torch::Tensor {
            if (l.odd) throw std::runtime_error("no such file");
            return loss;
          };
        }}},
      {"hangs",
       {At::kStep,
        [](Loop& l) {
          while (l.odd) ::pause();
        }}},
      {"hangs-in-its-loss",
       {At::kStep,
        [](Loop& l) {
          l.change_loss = [&l](MicroBatch, const torch::Tensor& loss) {
            while (l.odd) ::pause();
            return loss;
          };
        }}},
  };
}

std::map<std::string, Misuse> all_misuses() {
  std::map<std::string, Misuse> all = misuses_of_verbs();
  all.merge(misuses_of_checkpoints());
  all.merge(misuses_of_the_module());
  all["none"] = {At::kBegin, [](Loop&) {}};
  return all;
}

torch::Tensor loss_of(Loop& loop, MicroBatch m) {
  const std::int64_t first = (m.step * m.count + m.index) * 8;
  const torch::Tensor x = torch::sin(torch::arange(first, first + 32, torch::kFloat32)).view({8, 4});
  const auto type = loop.net->in->weight.scalar_type();
  const torch::Tensor loss = torch::mse_loss(loop.net(x.to(type)), x.sum(1, true).to(type));
  return loop.change_loss ? loop.change_loss(m, loss) : loss;
}

class Run {
 public:
  Run(Session& session, std::string name, std::string directory)
      : loop_(session),
        name_(std::move(name)),
        directory_(std::move(directory)),
        misuse_(all_misuses().at(name_)) {}

  void train() {
    make();
    std::int64_t step = loop_.resumes ? loop_.saves->resume() : 0;
    err(At::kResumed);
    for (; step < kSteps && !loop_.leaves; ++step)
      if (!train(step)) return;
  }

 private:
  void err(At at) {
    if (misuse_.at == at) misuse_.act(loop_);
  }

  void make() {
    torch::manual_seed(1);
    loop_.net = Net(loop_.width);
    err(At::kBegin);
    if (loop_.width != 8) loop_.net = Net(loop_.width);
    loop_.optimizer = ::make<torch::optim::Adam>(loop_.net->parameters());
    loop_.parallel = std::make_unique<DataParallel>(loop_.session, *loop_.net, loop_.options);
    err(At::kMade);
    loop_.saves = std::make_unique<Checkpoints>(loop_.session, directory_, loop_.saving);
    loop_.saves->add("model", *loop_.net);
    if (loop_.built_in)
      loop_.saves->add("optimizer", *loop_.parallel);
    else
      loop_.saves->add("optimizer", *loop_.optimizer);
    loop_.saves->add("own", loop_.own).add("count", loop_.count).add("text", loop_.text);
    err(At::kAdded);
  }

  bool train(std::int64_t step) {
    loop_.own.add_(torch::rand({3}));
    if (step == kWhen) err(At::kStep);
    if (loop_.leaves) return false;
    double loss = 0;
    if (loop_.built_in) {
      if (step == kWhen && loop_.between) loop_.between();
      loss = loop_.parallel->update(step, [&](MicroBatch m) { return loss_of(loop_, m); });
    } else if (!loop_.leaves_out_backward)
      loss = loop_.parallel->backward(step + loop_.backward_late,
                                      [&](MicroBatch m) { return loss_of(loop_, m); });
    loop_.own.add_(torch::rand({3}));
    if (!loop_.built_in) loop_.optimizer->step();
    if (step == kWhen) err(At::kUpdated);
    if (!loop_.leaves_out_after && loop_.saves->after(step + loop_.after_late, {{"loss", loss}}) != Stop::kNo)
      return false;
    if (step == kWhen && name_ == "parameter-changed-while-copied") change_in_place(loop_.net, 1);
    return true;
  }

  Loop loop_;
  std::string name_;
  std::string directory_;
  Misuse misuse_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  const std::string name = argv[1], directory = argv[2];
  const JobOptions job = {.watch_limit_s = name.starts_with("hangs") ? 2.0 : 0.0};
  return run_job([&](Session& session) { Run(session, name, directory).train(); }, job);
}
