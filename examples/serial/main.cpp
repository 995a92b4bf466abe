// SPDX-License-Identifier: Apache-2.0
// Checkpoints alone, in a program of one process: no ranks, no MPI, no Session. It comes back with its
// optimizer, its own counter, its own tensor and its own random generator, whatever ended it.
#include <lockstep/lockstep.h>
#include <torch/torch.h>

#include <cstdio>
#include <random>
#include <sstream>
#include <string>

int main(int argc, char** argv) {
  const std::string directory = argc > 1 ? argv[1] : "runs/serial";
  const std::int64_t steps = argc > 2 ? std::stoll(argv[2]) : 100;
  try {
    torch::manual_seed(5);
    torch::nn::Linear net(3, 1);
    torch::optim::SGD optimizer(net->parameters(), torch::optim::SGDOptions(0.05).momentum(0.9));
    torch::Tensor seen = torch::zeros({3});
    std::int64_t large = 0;
    std::mt19937 dice(11);
    std::string dice_state;

    lockstep::Checkpoints saves(directory, {.steps = steps, .every_steps = 10});
    saves.add("model", *net).add("optimizer", optimizer).add("seen", seen).add("large", large);
    saves.add("dice", dice_state);
    std::int64_t step = saves.resume();
    if (!dice_state.empty()) std::istringstream(dice_state) >> dice;

    for (; step < steps; ++step) {
      std::uniform_real_distribution<float> draw(-1, 1);
      const torch::Tensor x = torch::tensor({draw(dice), draw(dice), draw(dice)});
      optimizer.zero_grad();
      const torch::Tensor loss = torch::mse_loss(net(x), x.sum().view({1}));
      loss.backward();
      optimizer.step();
      seen += x.abs();
      large += loss.item<float>() > 0.1f ? 1 : 0;
      std::ostringstream now;
      now << dice;
      dice_state = now.str();
      if (saves.after(step, {{"loss", loss.item<double>()}}) != lockstep::Stop::kNo) return 75;
    }
    std::printf("large %lld\n", static_cast<long long>(large));
    return 0;
  } catch (const lockstep::Fault& fault) {
    std::fprintf(stderr, "%s\n", fault.what());
    return static_cast<int>(fault.code());
  }
}
