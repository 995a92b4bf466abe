// SPDX-License-Identifier: Apache-2.0
// Batches that come from a running simulation: many pendulums swing on, step by step, and a network learns
// where each will be next. The simulation's state is in the checkpoint too, so a run that was killed sees the
// same swings as one that was not.
#include <lockstep/lockstep.h>
#include <torch/torch.h>

#include <string>

constexpr std::int64_t kPendulums = 128;

// Angle and speed of each, in one tensor: all there is to save. Every rank simulates all of them.
class Pendulums {
 public:
  Pendulums() {
    const torch::Tensor at = torch::arange(kPendulums, torch::kFloat64);
    state = torch::stack({torch::sin(at) * 2, torch::cos(at * 3)}, 1);
  }
  void swing() {
    const double dt = 0.05;
    const torch::Tensor speed = state.select(1, 1) - dt * torch::sin(state.select(1, 0));
    state = torch::stack({state.select(1, 0) + dt * speed, speed}, 1);
  }
  torch::Tensor state;  // [pendulums, 2]
};

int main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : "runs/simulation";
  const std::int64_t steps = argc > 2 ? std::stoll(argv[2]) : 200;
  return lockstep::run_job([&](lockstep::Session& session) {
    torch::manual_seed(9);
    torch::nn::Sequential net(torch::nn::Linear(2, 32), torch::nn::Tanh(), torch::nn::Linear(32, 2));
    Pendulums pendulums;
    lockstep::DataParallel parallel(session, *net, {.micro_batches = 4, .seed = 1});
    parallel.optimize_with(lockstep::AdamW{.lr = 3e-3, .clip = 1.0});
    lockstep::Checkpoints saves(session, directory,
                                {.steps = steps, .every_steps = 25, .best_metric = "error"});
    saves.add("model", *net).add("optimizer", parallel).add("pendulums", pendulums.state);

    for (std::int64_t step = saves.resume(); step < steps; ++step) {
      const torch::Tensor now = pendulums.state.to(torch::kFloat32);
      pendulums.swing();
      const torch::Tensor next = pendulums.state.to(torch::kFloat32);
      const double loss = parallel.update(step, [&](lockstep::MicroBatch m) {
        const std::int64_t share = kPendulums / m.count;
        const torch::Tensor mine = now.narrow(0, m.index * share, share);
        return torch::mse_loss(mine + net->forward(mine), next.narrow(0, m.index * share, share));
      });
      std::map<std::string, double> values = {{"loss", loss}};
      if (step % 50 == 49) {
        values["error"] = parallel.evaluate(4, [&](std::int64_t chunk) {
          const torch::Tensor part = now.narrow(0, chunk * 32, 32);
          const torch::Tensor error = part + net->forward(part) - next.narrow(0, chunk * 32, 32);
          return std::map<std::string, lockstep::Measured>{{"error", {error.abs().sum().item<double>(), 64}}};
        })["error"];
      }
      if (saves.after(step, values) != lockstep::Stop::kNo) return;
    }
  });
}
