// SPDX-License-Identifier: Apache-2.0
// A training loop of one's own: any module, any optimizer, any batches. It trains data-parallel on however
// many ranks `lockstep run -n N -- ./own_loop DIR STEPS` starts, and comes back from its newest checkpoint by
// itself.
#include <lockstep/lockstep.h>
#include <torch/torch.h>

#include <string>

struct NetImpl : torch::nn::Module {
  NetImpl() {
    in = register_module("in", torch::nn::Linear(8, 64));
    norm = register_module("norm", torch::nn::BatchNorm1d(64));
    drop = register_module("drop", torch::nn::Dropout(0.1));
    out = register_module("out", torch::nn::Linear(64, 1));
  }
  torch::Tensor forward(const torch::Tensor& x) { return out(drop(torch::tanh(norm(in(x))))); }

  torch::nn::Linear in{nullptr}, out{nullptr};
  torch::nn::BatchNorm1d norm{nullptr};
  torch::nn::Dropout drop{nullptr};
};
TORCH_MODULE(Net);

struct Batch {
  torch::Tensor inputs, targets;
};

// Any function of step and micro-batch alone: the same samples, whichever rank asks.
Batch batch_of(lockstep::MicroBatch m) {
  const std::int64_t first = (m.step * m.count + m.index) * 16;
  const torch::Tensor number = torch::arange(first, first + 16, torch::kFloat32).view({16, 1});
  const torch::Tensor inputs = torch::sin(number * torch::arange(1, 9, torch::kFloat32).view({1, 8}));
  return {inputs, inputs.pow(2).sum(1, /*keepdim=*/true)};
}

int main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : "runs/own-loop";
  const std::int64_t steps = argc > 2 ? std::stoll(argv[2]) : 200;
  return lockstep::run_job([&](lockstep::Session& session) {
    torch::manual_seed(1);
    Net net;
    torch::optim::AdamW optimizer(net->parameters(), torch::optim::AdamWOptions(1e-3));
    torch::optim::StepLR schedule(optimizer, /*step_size=*/50, /*gamma=*/0.5);
    lockstep::DataParallel parallel(session, *net, {.micro_batches = 4, .seed = 7});
    lockstep::Checkpoints saves(session, directory, {.steps = steps, .every_steps = 20});
    saves.add("model", *net).add("optimizer", optimizer).add("schedule", schedule);
    for (std::int64_t step = saves.resume(); step < steps; ++step) {
      const double loss = parallel.backward(step, [&](lockstep::MicroBatch m) {
        const Batch batch = batch_of(m);
        return torch::mse_loss(net(batch.inputs), batch.targets);
      });
      optimizer.step();
      schedule.step();
      if (saves.after(step, {{"loss", loss}}) != lockstep::Stop::kNo) return;
    }
  });
}
